# SPDX-License-Identifier: Apache-2.0
"""A reservation that nobody settles is asked about, and its units wait for orders' word."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from catalog.commands.overdue import ask_about_overdue
from common.testing import eventually
from faults.house import running
from souk_local.ports import free_port
from support.proxy import RESERVE


@pytest.fixture
def impatient(house, tmp_path):
    """A second worker of catalog, for which a reservation is overdue after a second."""
    environment = house.environments["catalog-worker"] | {
        "RESERVATION_OVERDUE_SECONDS": "1",
        "OVERDUE_REPEAT_SECONDS": "1",
        "OVERDUE_SWEEP_SECONDS": "0.2",
        "WORKER_PORT": str(free_port()),
    }
    with running(tmp_path / "worker.log", "catalog", "worker", environment=environment):
        yield


def asked(house, order_id):
    """How often catalog has asked about an order, told by what the broker took."""
    return len(house.broker.events("ReservationOverdue", order_id=order_id))


def test_confirmed_orders_keep_their_units_while_the_broker_is_down_for_long(
    well, buyer, impatient
):
    """All units are reserved and overdue, and nobody else gets one."""
    product, late = well.product(quantity=3), well.caller("orders", well.sign_up())
    for role in ("catalog-worker", "orders-worker"):
        well.wire(role, "broker").refuse()

    orders = [buyer.order(f"k{number}", product).body["id"] for number in range(3)]
    subjects = {f"order/{order}" for order in orders}
    eventually(
        lambda: subjects <= well.waiting_about("catalog", "ReservationOverdue"),
        seconds=20,
        what="all overdue",
    )

    assert late.order("k", product).status == 409
    assert well.stock(product) == (3, 3)

    for role in ("catalog-worker", "orders-worker"):
        well.wire(role, "broker").heal()
    eventually(lambda: well.stock(product) == (0, 0), seconds=30, what="all are sold")
    assert {buyer.get(f"/v1/orders/{order}").body["status"] for order in orders} == {"confirmed"}
    assert late.order("again", product).status == 409
    assert sorted(well.order_statuses(product)) == ["confirmed"] * 3 + ["rejected"] * 2


def test_while_orders_is_down_an_order_without_an_end_keeps_its_unit(well, buyer, impatient):
    """Orders dies between catalog's word and its own; catalog asks, and asks again."""
    product, wire = well.product(), well.wire("orders", "catalog")
    well.wire("orders-worker", "database").refuse()
    before = wire.swallowed
    wire.swallow_answer_to(RESERVE, then="hang")

    with ThreadPoolExecutor(1) as pool:
        ordering = pool.submit(buyer.order, "k", product)
        eventually(lambda: wire.swallowed == before + 1)
        well.wire("orders", "database").refuse()
        assert ordering.result().status == 503
    assert well.order_statuses(product) == ["pending"]

    query = "SELECT LOWER(HEX(id)) FROM orders WHERE status = 'pending'"
    with well.databases["orders"].engine.connect() as connection:
        digits = connection.exec_driver_sql(query).scalar_one()
    order_id = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    eventually(lambda: asked(well, order_id) >= 2, seconds=20, what="asked, and asked again")
    assert well.stock(product) == (10, 1)

    for each in well.wires.values():
        each.heal()
    eventually(lambda: well.stock(product) == (9, 0), seconds=30, what="it is sold")
    again = buyer.order("k", product)
    assert (again.status, again.body["id"]) == (201, order_id)
    assert well.order_statuses(product) == ["confirmed"]


def test_orders_that_are_asked_about_while_they_are_confirmed_stand_once(well, buyer, crowd):
    """Every reservation is overdue at once and again and again, from its first moment on."""
    product, over = well.product(quantity=100), threading.Event()
    asked_about, numbers = [], iter(range(1000))

    def order():
        """Until it stands: so many questions lock what the orders need, and some hear 503."""
        key = f"k{next(numbers)}"
        replies = (buyer.order(key, product) for _ in range(20))
        return next(reply for reply in replies if reply.status != 503)

    def ask():
        while not over.is_set():
            asked_about.append(
                well.databases["catalog"].run(
                    ask_about_overdue, overdue_seconds=0, repeat_seconds=0
                )
            )

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        replies = crowd(order)
        over.set()
        asking.result()

    assert sum(asked_about) > 0, "nobody was asked: the test proves nothing"
    assert {reply.status for reply in replies} == {201}
    orders = {reply.body["id"] for reply in replies}
    eventually(lambda: well.stock(product) == (100 - len(orders), 0), seconds=30)
    eventually(lambda: well.waiting("catalog") + well.waiting("orders") == 0, seconds=30)
    assert well.stock(product) == (76, 0)
    # What was answered with 503 was given up, and told so; the retry made another order.
    ended = [status for status in well.order_statuses(product) if status != "rejected"]
    assert ended == ["confirmed"] * 24
