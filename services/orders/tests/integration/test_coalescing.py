# SPDX-License-Identifier: Apache-2.0
"""Orders that come at the same time share transactions, statements and one call to catalog."""

from threading import Thread

import pending
import pytest
from catalog_stub import LAMP, RUG
from pending import begin, begin_all, wish
from sqlalchemy import event, select

from common.events import Envelope
from common.idempotency import Answer, IdempotencyKeyReused, Key, find_all, finish_all
from common.identifiers import uuid7
from common.outbox import outbox_messages
from common.testing import eventually
from common.testing.counting import counting
from common.testing.interleavings import Interleavings
from orders.commands.begin import take_over_lapsed
from orders.commands.settle import abandoned, refused, settle_orders
from orders.errors import BeingPlaced, EmptyOrder
from orders.models import Attempt

MANY = 32


@pytest.fixture
def flood(database, checkout, catalog, shopper):
    """Places these orders, each a request's id and its items, all behind another one.

    That one is held at each of the two steps until all the others wait for it. Gives the answers by
    key; the other one's key is ``ahead``.
    """
    answers, commits = {}, []

    def order(key, request_id, items):
        customer = shopper(len(answers) + int(request_id, 16))
        customer.headers |= {"X-Request-Id": request_id}
        answers[key] = customer.order(key, *items)

    def run(orders):
        def all_wait_at(batcher):
            eventually(lambda: len(batcher.line.waiting) == len(orders), what="all at a step")

        def hold(_connection):
            commits.append(1)
            if len(commits) == 1:
                all_wait_at(checkout._beginnings)

        everybody = {"ahead": (f"{1000:032x}", [(LAMP, 1)])} | orders
        threads = [Thread(target=order, args=(key, *wanted)) for key, wanted in everybody.items()]
        catalog.gate.clear()
        event.listen(database.engine, "commit", hold)
        try:
            threads[0].start()
            eventually(lambda: commits, what="the order ahead")
            for thread in threads[1:]:
                thread.start()
            all_wait_at(checkout._endings.step)
            catalog.gate.set()
        finally:
            for thread in threads:
                thread.join()
            event.remove(database.engine, "commit", hold)
        return answers

    return run


def orders_of(count, *items):
    return {f"k{number}": (f"{number:032x}", items) for number in range(1, count + 1)}


def test_many_orders_at_once_cost_as_much_as_one(flood, catalog, database, ledger):
    """So the commits are a sixteenth for each of 32, and the statements less than a fifth."""
    catalog.products[LAMP]["available"] = 100

    with counting(database) as asked:
        answers = flood(orders_of(MANY, (LAMP, 2)))

    assert {answer.status_code for answer in answers.values()} == {201}
    assert len(asked.statements) == 6 + 6, asked.statements
    assert asked.commits == 2 + 2
    assert catalog.calls == 1 + 1
    assert catalog.available(LAMP) == 100 - 1 - 2 * MANY
    assert ledger.statuses() == ["confirmed"] * (MANY + 1)
    assert len({answer.json["id"] for answer in answers.values()}) == MANY + 1


def test_each_order_is_placed_in_the_name_of_its_own_request(flood, catalog, database):
    orders = orders_of(5, (LAMP, 1))

    answers = flood(orders)

    with database.sessions() as session:
        bodies = session.scalars(select(outbox_messages.c.body)).all()
    told = {one.data["order_id"]: one for one in map(Envelope.from_json, bodies)}
    asked = {wish["order_id"]: wish for wish in catalog.wishes}
    for key, (request_id, _) in orders.items():
        order_id = answers[key].json["id"]
        assert answers[key].headers["X-Request-Id"] == request_id
        assert told[order_id].correlationid == asked[order_id]["correlation_id"] == request_id
        assert told[order_id].actor == asked[order_id]["actor"]
        assert told[order_id].actor == f"user/{told[order_id].data['customer_id']}"


def test_what_is_refused_to_one_is_not_refused_to_the_others(flood, catalog, ledger):
    orders = orders_of(4, (LAMP, 1)) | {
        "short": (f"{77:032x}", [(RUG, 2)]),
        "unknown": (f"{78:032x}", [(404, 1)]),
    }

    answers = flood(orders)

    assert answers["short"].json["code"] == "insufficient_stock"
    assert answers["unknown"].json["code"] == "product_not_found"
    assert [answers[f"k{number}"].status_code for number in range(1, 5)] == [201] * 4
    assert sorted(ledger.statuses()) == ["confirmed"] * 5 + ["rejected"] * 2
    assert ledger.event_types() == ["OrderPlaced"] * 5


@pytest.mark.parametrize(
    "broken",
    [None, {"status": 200}, {"status": 200, "body": {}}, {"status": 503, "body": {}}, "another's"],
)
def test_an_answer_that_makes_no_sense_is_one_orders_trouble(flood, catalog, ledger, broken):
    def spoil(answers):
        if len(answers) == 1:
            return answers
        other = answers[0] if broken == "another's" else broken
        return [*answers[:-2], other, answers[-1]]

    catalog.spoil = spoil

    answers = flood(orders_of(4, (LAMP, 1)))

    assert sorted(answer.status_code for answer in answers.values()) == [201] * 4 + [503]
    assert sorted(ledger.event_types()) == ["OrderPlaced"] * 4 + ["OrderRejected"]


def test_a_missing_answer_is_one_orders_trouble(flood, catalog):
    catalog.spoil = lambda answers: answers[:-1] if len(answers) > 1 else answers

    answers = flood(orders_of(4, (LAMP, 1)))

    assert sorted(answer.status_code for answer in answers.values()) == [201] * 4 + [503]


def test_a_command_that_catalog_cant_read_is_one_orders_trouble(flood, catalog, ledger):
    catalog.mood = "blunt"

    answers = flood(orders_of(6, (LAMP, 1)) | {"unreadable": (f"{77:032x}", [(404, 1)])})

    assert answers.pop("unreadable").status_code == 503
    assert {answer.status_code for answer in answers.values()} == {201}
    assert catalog.available(LAMP) == 3
    assert sorted(ledger.event_types()) == ["OrderPlaced"] * 7 + ["OrderRejected"]


def test_an_older_catalog_is_one_that_does_not_answer(ada, catalog, checkout, database, ledger):
    """During an upgrade orders wait for it: it may hold stock that it was asked for before."""
    catalog.mood = "old"
    assert ada.order("k", (LAMP, 1)).status_code == 503
    begin(database, {LAMP: 1}, key="left")
    ledger.lapse()

    assert checkout.sweep() == 0
    assert ledger.statuses() == ["rejected", "pending"]


def test_too_many_orders_are_told_to_come_again(ada, checkout, ledger, monkeypatch):
    monkeypatch.setattr(checkout._beginnings.line, "room", 0)

    answer = ada.order("k", (LAMP, 1))

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert ledger.statuses() == []


# --- the transactions -----------------------------------------------------------------------------


def test_wishes_that_begin_together_each_get_what_they_would_get_alone(shopper, database, ledger):
    shopper(5).want(LAMP, 3)
    shopper(6).want(LAMP, 4)
    begin(database, None, key="taken", owner=6)
    begin(database, {LAMP: 1}, key="lapsed")
    begin(database, {LAMP: 1}, key="answered")
    answer = Answer(status=201, body=b"{}")
    database.run(finish_all, {Key(owner_id=1, word="answered"): answer})
    ledger.lapse()
    held = begin(database, {LAMP: 1}, key="held")
    wishes = {
        "new": wish({RUG: 1}, key="new", owner=9),
        "again": wish({RUG: 1}, key="new", owner=9),
        "cart": wish(None, key="cart", owner=5),
        "second cart": wish(None, key="cart 2", owner=5),
        "taken cart": wish(None, key="cart 3", owner=6),
        "no cart": wish(None, key="cart", owner=7),
        "held": wish({LAMP: 1}, key="held"),
        "lapsed": wish({LAMP: 1}, key="lapsed"),
        "lapsed too": wish({LAMP: 1}, key="lapsed"),
        "answered": wish({LAMP: 1}, key="answered"),
        "reused": wish({LAMP: 1}, key="answered", fingerprint=b"g" * 32),
    }

    begun = dict(zip(wishes, begin_all(database, *wishes.values()), strict=True))

    assert {name: type(one) for name, one in begun.items()} == {
        "new": Attempt,
        "again": BeingPlaced,
        "cart": Attempt,
        "second cart": BeingPlaced,
        "taken cart": BeingPlaced,
        "no cart": EmptyOrder,
        "held": BeingPlaced,
        "lapsed": Attempt,
        "lapsed too": BeingPlaced,
        "answered": Answer,
        "reused": IdempotencyKeyReused,
    }
    assert (begun["cart"].lines, begun["cart"].is_from_cart) == ({LAMP: 3}, True)
    assert begun["again"].order_id == begun["new"].order_id
    assert begun["second cart"].order_id == begun["cart"].order_id
    assert begun["held"].order_id == held.order_id
    assert (begun["lapsed"].fence, begun["new"].fence) == (2, 1)
    assert begun["answered"] == answer
    refused = [wishes[name].key for name in ("second cart", "taken cart", "no cart")]
    assert database.read(find_all, refused) == {}
    assert len(ledger.statuses()) == 4 + 2


def test_a_holder_that_lost_its_order_does_not_keep_others_from_ending(database, checkout, ledger):
    attempts = [begin(database, {LAMP: 1}, key="lost")]
    ledger.lapse()
    database.run(take_over_lapsed, hold_seconds=60)
    attempts += [begin(database, {LAMP: 1}, key=f"k{number}") for number in range(6)]

    ended = checkout._endings._abandonments.submit_all([abandoned(attempt) for attempt in attempts])

    assert ended == [False] + [True] * 6
    assert ledger.statuses() == ["pending"] + ["rejected"] * 6
    assert len(ledger.events()) == 6


@pytest.mark.parametrize("count", [1, 2, MANY])
def test_orders_that_end_together_are_looked_up_and_never_looked_for(database, count):
    """Which pairs MariaDB finds by the index depends on how they are written, and on how many."""
    for owner in range(10):
        begin_all(database, *(wish({LAMP: 1}, key=f"k{n}", owner=owner) for n in range(64)))
    wishes = [wish({LAMP: 1}, key=f"end {number}", owner=number % 7) for number in range(2 * count)]
    attempts = begin_all(database, *wishes)
    refusal = Answer(status=409, body=b"{}")
    ends = [refused(attempt, reason="no", answer=refusal) for attempt in attempts[:count]]

    with counting(database) as asked:
        database.run(settle_orders, [*ends, *map(abandoned, attempts[count:])])

    changes = [one for one in asked.statements if one.startswith(("UPDATE", "DELETE"))]
    assert len(changes) == 3
    with database.engine.connect() as connection:
        for change in changes:
            [plan] = connection.exec_driver_sql(f"EXPLAIN FORMAT=TRADITIONAL {change}").mappings()
            assert plan["key"] == "PRIMARY", (plan, change)
            assert int(plan["rows"]) <= 2 * count, (plan, change)


# --- two processes --------------------------------------------------------------------------------


def begin_these(database, keys):
    begun = begin_all(database, *(wish({LAMP: 1}, key=key) for key in keys))
    return " ".join("new" if isinstance(one, Attempt) else "old" for one in begun)


def end_this(database, attempt):
    return str(database.run(settle_orders, [abandoned(attempt)]))


def test_of_two_batches_with_the_same_keys_one_begins_them_all(database, ledger):
    def jobs():
        keys = [str(uuid7()), str(uuid7())]
        return [{"keys": keys}, {"keys": keys[::-1]}]

    plays = 0
    with Interleavings(database, [begin_these, begin_these]) as both:
        for play in both.every(jobs):
            plays += 1
            assert sorted(play.words) == ["new new", "old old"], play
            assert play.lost_races == [], play

    assert plays > 1
    assert ledger.statuses() == ["pending"] * 2 * plays


def test_an_order_that_ends_beside_its_repetition_never_meets_it_in_a_deadlock(database, ledger):
    """Who ends it holds its row and wants its key; who repeats it has its key and wants its row."""

    def jobs():
        key = str(uuid7())
        attempt = pending.begin(database, {LAMP: 1}, key=key)
        ledger.lapse()
        return [{"attempt": attempt}, {"keys": [key]}]

    with Interleavings(database, [end_this, begin_these]) as both:
        for play in both.every(jobs):
            assert play.lost_races == [], play
