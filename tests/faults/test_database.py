# SPDX-License-Identifier: Apache-2.0
"""The database is gone, slow or hanging: a quick no, free threads, and no restart afterwards."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from common.testing import eventually
from faults.house import FAULTS, PROMISE_SECONDS, must_be_in_time

LOGIN = {"login": "nobody", "password": "a wrong guess of somebody"}


def test_without_its_database_every_service_says_no_in_time(well, buyer, fault):
    """The first call meets connections that were good a moment ago, the next ones new ones."""
    asks = {
        "auth": lambda: well.caller("auth").post("/v1/auth/login", LOGIN),
        "catalog": lambda: well.caller("catalog").get("/v1/products"),
        "orders": lambda: buyer.get("/v1/cart"),
    }
    for service in asks:
        fault(well.wire(service, "database"))

    for ask in asks.values():
        replies = [ask() for _ in range(4)]
        must_be_in_time(replies, 503)
        assert {reply.headers["Retry-After"] for reply in replies} == {"1"}


def test_the_older_apis_say_502(well, fault):
    fault(well.wire("catalog", "database"))

    must_be_in_time([well.caller("catalog").get("/products") for _ in range(2)], 502)


def test_a_crowd_is_refused_in_time_and_the_next_one_at_once(well, buyer, crowd, fault):
    fault(well.wire("orders", "database"))

    must_be_in_time(crowd(lambda: buyer.get("/v1/cart")), 503)

    slow = [reply for reply in crowd(lambda: buyer.get("/v1/cart")) if reply.seconds > 1.5]
    assert len(slow) <= 2, "one caller in a while finds out; the others' threads are free"


@pytest.mark.parametrize("name", ["slow", "hanging"])
def test_threads_are_free_for_what_needs_no_database(well, name):
    """Auth's keys and the sign of life need none, so they come while a crowd asks for the rest."""
    auth, over = well.caller("auth"), Event()
    FAULTS[name](well.wire("auth", "database"))

    def insist(_number):
        while not over.is_set():
            assert auth.post("/v1/auth/login", LOGIN).status == 503

    with ThreadPoolExecutor(16) as pool:
        insisting = [pool.submit(insist, number) for number in range(16)]
        eventually(lambda: auth.get("/healthz").seconds < 0.5, what="the first wave is over")
        replies = [auth.get(path) for path in ("/healthz", "/.well-known/jwks.json") * 5]
        over.set()
    assert {reply.status for reply in replies} == {200}
    # A thread of eight would be free only after 1.8 s, did all of them wait.
    assert sum(reply.seconds >= 1.5 for reply in replies) <= 2, replies
    for one in insisting:
        one.result()


def test_readiness_tells_and_life_goes_on(well, fault):
    fault(well.wire("catalog", "database"))
    fault(well.wire("catalog-worker", "database"))

    must_be_in_time([well.caller("catalog").get("/readyz")], 503)
    assert well.caller("catalog-worker").get("/readyz").status == 503
    for role in ("catalog", "catalog-worker"):
        must_be_in_time([well.caller(role).get("/healthz")], 200)


def test_an_order_whose_database_goes_in_the_middle_is_settled_afterwards(well, buyer):
    """The confirmation hangs after catalog took the unit: one order stands in the end."""
    product, wire = well.product(), well.wire("orders", "database")
    wire.swallow_answer_to(b"UPDATE orders SET", then="hang")
    before = wire.swallowed

    reply = buyer.order("k", product)

    assert wire.swallowed == before + 1
    assert reply.status in {201, 503}
    assert reply.seconds < PROMISE_SECONDS
    eventually(lambda: buyer.order("k", product).status == 201, seconds=20)
    eventually(lambda: well.stock(product) == (9, 0))


def test_workers_wait_for_their_databases_and_lose_nothing(well, buyer, fault):
    product = well.product()
    for service in ("catalog", "orders"):
        fault(well.wire(f"{service}-worker", "database"))

    order_id = buyer.order("k", product).body["id"]
    assert well.stock(product) == (10, 1)
    for wire in well.wires.values():
        wire.heal()

    eventually(lambda: well.stock(product) == (9, 0), seconds=30)
    (placed,) = well.broker.events("OrderPlaced", order_id=order_id)
    assert placed["data"]["items"][0]["product_id"] == product
