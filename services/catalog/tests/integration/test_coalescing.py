# SPDX-License-Identifier: Apache-2.0
"""Many orders in one transaction: each gets what it would have got alone, for a share of the cost.

``asked`` comes in the order of the line: who is first is served first.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import insert, select, text

from catalog.app import reservations
from catalog.commands.reservations import Asked, Wish, release_reservation, reserve_stock
from catalog.errors import (
    InsufficientStock,
    PriceChanged,
    ProductNotFound,
    ReservationConflict,
    ReservationReleased,
)
from catalog.models import Reservation, Stock
from common.clock import utcnow
from common.context import Trace
from common.outbox import outbox_messages
from common.testing.counting import counting
from common.testing.leisure import nobody_leaves

WAITING = 32


def asked(lines, *, order_id=None, total=None, trace=None):
    wish = Wish(lines=lines, prices={}, total=total)
    return Asked(order_id=order_id or uuid4(), wish=wish, trace=trace or Trace())


def words(answers):
    return ["held" if isinstance(answer, dict) else answer.code for answer in answers]


def stock_of(database, product):
    with database.sessions() as session:
        row = session.get(Stock, product.id)
        return row.on_hand, row.reserved, row.version


@pytest.mark.parametrize("orders", [1, WAITING])
def test_many_orders_cost_as_many_statements_as_one(database, sell, orders):
    lamps = [sell(f"Lamp {number}", quantity=100).id for number in range(4)]
    wanted = [asked({lamps[n % 4]: 1, lamps[(n + 1) % 4]: 2}) for n in range(orders)]

    with counting(database) as cost:
        answers = database.run(reserve_stock, wanted)

    assert words(answers) == ["held"] * orders
    assert Counter(one.split()[0] for one in cost.statements) == {
        "SELECT": 3,
        "UPDATE": 1,
        "INSERT": 1,
    }
    assert cost.commits == 1


def test_thirty_two_that_wait_cost_a_quarter_of_a_statement_each(database, sell):
    """What page 5 of the design grants; the control below shows what they would cost alone."""
    lamp = sell("Lamp", quantity=100).id
    batcher = reservations(database)

    with counting(database) as cost:
        answers = batcher.submit_all([asked({lamp: 1}) for _ in range(WAITING)])

    assert words(answers) == ["held"] * WAITING
    assert cost.commits <= WAITING / 16
    assert len(cost.statements) <= WAITING / 4


def test_one_by_one_they_cost_five_each(database, sell):
    lamp = sell("Lamp", quantity=100).id

    with counting(database) as cost:
        for _ in range(WAITING):
            database.run(reserve_stock, [asked({lamp: 1})])

    assert cost.commits == WAITING
    assert len(cost.statements) == 5 * WAITING


def test_who_is_first_in_line_gets_the_last_units(database, sell):
    lamp = sell("Lamp", quantity=5)
    wanted = [asked({lamp.id: units}) for units in (2, 4, 2, 2, 1, 1)]

    answers = database.run(reserve_stock, wanted)

    short = InsufficientStock.code
    assert words(answers) == ["held", short, "held", short, "held", short]
    assert [line["available"] for line in answers[1].members["items"]] == [3]
    assert [line["available"] for line in answers[5].members["items"]] == [0]
    assert stock_of(database, lamp)[:2] == (5, 5)


def test_each_answer_is_what_the_order_would_have_got_alone(database, sell):
    lamp, cup = sell("Lamp", price=500, quantity=9), sell("Cup", price=100, quantity=9)
    known, gone = asked({cup.id: 1}), asked({lamp.id: 1})
    first = database.run(reserve_stock, [known])[0]
    database.run(release_reservation, order_id=gone.order_id)

    answers = database.run(
        reserve_stock,
        [
            asked({lamp.id: 2, cup.id: 1}, total=1100),
            asked({lamp.id: 2}, total=999),
            known,
            gone,
            asked({2**62: 1}),
            asked({cup.id: 2}, order_id=known.order_id),
            asked({cup.id: 3}),
        ],
    )

    assert words(answers) == [
        *("held", PriceChanged.code, "held", ReservationReleased.code),
        *(ProductNotFound.code, ReservationConflict.code, "held"),
    ]
    assert answers[2] == first
    assert [item["quantity"] for item in answers[0]["items"]] == [2, 1]
    assert stock_of(database, lamp)[:2] == (9, 2)
    assert stock_of(database, cup)[:2] == (9, 5)


def test_the_same_order_twice_in_a_batch_is_one(database, sell):
    lamp = sell("Lamp", quantity=5)
    one = asked({lamp.id: 2})
    other = asked({lamp.id: 3}, order_id=one.order_id)

    answers = database.run(reserve_stock, [one, one, other])

    assert words(answers) == ["held", "held", ReservationConflict.code]
    assert answers[0] == answers[1]
    assert stock_of(database, lamp)[:2] == (5, 2)


def test_low_stock_is_told_once_and_in_the_name_of_who_caused_it(database, sell):
    lamp = sell("Lamp", quantity=9, low_stock_at=4)
    traces = [Trace(correlation_id=f"{n:032x}", actor=f"user/{n}") for n in range(4)]

    database.run(reserve_stock, [asked({lamp.id: 2}, trace=trace) for trace in traces])

    query = select(outbox_messages).where(outbox_messages.c.type == "StockLow")
    (told,) = database.read(lambda session: session.execute(query).all())
    body = orjson.loads(bytes(told.body))
    assert (told.correlation_id, body["actor"]) == (f"{2:032x}", "user/2")
    assert body["data"]["available"] == 3


def test_one_that_the_database_refuses_does_not_hurt_the_others(database, sell):
    lamp, cursed = sell("Lamp", quantity=100), sell("Cursed lamp", quantity=100)
    bad = asked({cursed.id: 1})
    others = [asked({lamp.id: 1}) for _ in range(9)]
    with database.engine.connect() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER broken BEFORE INSERT ON reservations FOR EACH ROW BEGIN"
            f" IF NEW.order_id = 0x{bad.order_id.hex} THEN"
            " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'broken by a test'; END IF; END"
        )
        try:
            answers = reservations(database).submit_all([*others[:4], bad, *others[4:]])
        finally:
            connection.exec_driver_sql("DROP TRIGGER broken")

    assert "broken by a test" in str(answers.pop(4))
    assert words(answers) == ["held"] * 9
    assert stock_of(database, lamp)[:2] == (100, 9)
    assert stock_of(database, cursed)[:2] == (100, 0)


def test_crossed_batches_of_two_processes_sell_what_there_is(database, sell):
    """Two batchers, as two processes have them, in a row of rounds."""
    lamp, cup = sell("Lamp", quantity=100), sell("Cup", quantity=90)
    batchers, start = [reservations(database), reservations(database)], Barrier(16)
    nobody_leaves(*batchers)

    def buy(number):
        start.wait()
        lines = [{lamp.id: 1, cup.id: 1}, {cup.id: 1, lamp.id: 1}]
        return batchers[number % 2].submit_all([asked(lines[n % 2]) for n in range(10)])

    with ThreadPoolExecutor(16) as pool:
        answers = [answer for done in pool.map(buy, range(16)) for answer in done]

    assert Counter(words(answers)) == {"held": 90, InsufficientStock.code: 70}
    assert stock_of(database, lamp)[:2] == (100, 90)
    assert stock_of(database, cup)[:2] == (90, 90)


def test_the_interface_answers_each_order_in_its_own_name(client, sell, token_factory):
    lamp = sell("Lamp", quantity=1)
    orders = [uuid4(), uuid4()]
    reservation = {"items": [{"product_id": lamp.id, "quantity": 1}], "actor": "user/7"}
    body = [
        reservation | {"order_id": str(order), "correlation_id": f"{number:032x}"}
        for number, order in enumerate(orders)
    ]
    service = token_factory.service_bearer("orders")

    first = client.put("/internal/reservations", json={"reservations": body}, headers=service)
    again = client.put("/internal/reservations", json={"reservations": body}, headers=service)

    assert first.status_code == 200
    assert first.json == again.json
    held, short = first.json["answers"]
    assert (held["status"], held["body"]["order_id"]) == (200, str(orders[0]))
    assert (short["status"], short["body"]["code"]) == (409, "insufficient_stock")
    assert short["body"]["request_id"] == f"{1:032x}"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reservations": []},
        {"reservations": [{"order_id": "x"}]},
        {"reservations": [{}] * 65},
    ],
)
def test_a_malformed_batch_is_refused_as_a_whole(client, token_factory, body):
    headers = token_factory.service_bearer("orders")
    answer = client.put("/internal/reservations", json=body, headers=headers)

    assert answer.status_code == 422
    assert answer.json["code"] == "invalid"


def test_strangers_reserve_nothing(client, grace, sell):
    lamp = sell("Lamp", quantity=1)
    assert client.put("/internal/reservations", json={}).status_code == 401
    assert client.put("/internal/reservations", json={}, headers=grace).status_code in {401, 403}
    assert client.get(f"/v1/products/{lamp.id}").json["available"] == 1


def rows_read(session):
    found = session.execute(text("SHOW SESSION STATUS LIKE 'Handler_read%'")).all()
    return sum(int(count) for _, count in found)


def test_known_orders_are_found_by_their_keys_however_many_there_are(database):
    """The lookup joins the clock to the table; that must not make it read the table."""
    known = [uuid4() for _ in range(1000)]
    row = {"status": "released", "reserved_at": utcnow()}
    with database.sessions.begin() as session:
        session.execute(insert(Reservation), [row | {"order_id": one} for one in known])

    with database.sessions() as session:
        before = rows_read(session)
        looking = rows_read(session) - before
        before = rows_read(session)
        answers = reserve_stock(session, [asked({1: 1}, order_id=one) for one in known[:8]])
        read = rows_read(session) - before - looking

    assert words(answers) == [ReservationReleased.code] * 8
    assert read <= 3 * 8
