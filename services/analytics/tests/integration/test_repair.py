# SPDX-License-Identifier: Apache-2.0
"""Numbers are counted anew from their rows, and what was not heard is told again."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from analytics import chain, commands, repair
from analytics.audit import INVARIANTS
from analytics.commands import Line, Order
from analytics.models import ProductMinute
from analytics.repair import RULES, count_sales
from analytics.shop_repair import ShopRepair
from common.audit import examine
from common.clock import rfc3339, utcnow
from common.repairs import repair_all
from common.testing import eventually

LAMP = 42
LATER = datetime(2026, 11, 20, 12, 5, tzinfo=UTC)


@pytest.fixture
def run(database, auditor, orders):
    """Repairs the shop; gives states and rules."""

    def look(*, apply):
        outcomes = ShopRepair(database, auditor, orders, apply=apply).run()
        return sorted((one.state, one.rule) for one in outcomes)

    return look


def execute(database, statement, **values):
    with database.engine.begin() as connection:
        return connection.execute(text(statement), values).rowcount


def repaired(database):
    with database.engine.connect() as connection:
        return list(connection.scalars(text("SELECT rule FROM repairs ORDER BY id")))


def broken_rules(auditor):
    return {check.name for check in auditor.audit() if check.violations}


def test_every_rule_has_its_repair_or_says_what_a_person_should_look_at():
    assert {name: rule.invariant for name, rule in RULES.items()} == INVARIANTS


def test_where_everybody_agrees_nothing_is_repaired(run, database, orders, shop):
    assert run(apply=True) == []
    assert (orders.asked, repaired(database)) == ([], [])


@pytest.fixture
def busy(shop, hear, teller):
    """A product with orders in two minutes, and views in three."""
    hear(teller.placed("o-9", (LAMP, 1, 500), at=LATER))
    hear(*[teller.view(LAMP, at=LATER + timedelta(minutes=number)) for number in range(-9, 2)])


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE product_minutes SET units = units + 1, revenue = 7", "minutes_match_sales"),
        ("DELETE FROM product_minutes WHERE minute = '2026-11-20 12:00'", "minutes_match_sales"),
        (
            "UPDATE product_minutes SET views = 9 WHERE minute = '2026-11-20 12:05'",
            "minutes_match_views",
        ),
        ("DELETE FROM product_minutes WHERE minute = '2026-11-20 12:06'", "minutes_match_views"),
    ],
)
def test_minutes_are_counted_anew_from_their_rows_once(
    database, busy, counted, recounted, statement, rule
):
    assert counted() == recounted()
    assert execute(database, statement)
    bad = counted()

    looked = repair_all(database, RULES, apply=False)
    assert ("repairable", f"analytics.{rule}") in {(one.state, one.rule) for one in looked}
    assert counted() == bad
    assert repaired(database) == []

    repair_all(database, RULES, apply=True)

    assert counted() == recounted()
    assert not any(check.violations for check in examine(database, INVARIANTS))
    lines = repaired(database)
    assert f"analytics.{rule}" in lines
    assert repair_all(database, RULES, apply=True) == []
    assert repaired(database) == lines


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sales SET quantity = 3 WHERE order_id = :id",
        "UPDATE sales SET status = 'cancelled' WHERE order_id = :id",
        "DELETE FROM sales WHERE order_id = :id",
    ],
)
def test_sales_that_are_not_what_was_told_are_made_anew(
    run, database, auditor, shop, counted, recounted, statement
):
    good = counted()
    assert execute(database, statement, id=shop["confirmed"])

    assert ("repaired", "shop.sales_match_orders") in run(apply=True)

    assert broken_rules(auditor) == set()
    assert counted() == recounted() == good
    assert run(apply=True) == []


def test_sales_that_are_what_was_told_are_left_to_a_person(run, orders, shop):
    for one in orders.items:
        one["items"] = [[LAMP, 2, 501]]

    assert run(apply=True) == [("needs a person", "shop.sales_match_orders")] * 2


@pytest.mark.parametrize("kind", ["OrderPlaced", "OrderCancelled"])
def test_what_the_log_does_not_have_is_told_again(run, database, orders, shop, kind):
    subject = f"order/{shop['cancelled']}"
    execute(database, "DELETE FROM event_log WHERE subject = :s AND type = :t", s=subject, t=kind)

    assert run(apply=False) == [("repairable", "shop.orders_are_told")]
    assert run(apply=True) == [("repaired", "shop.orders_are_told")]

    [looked, told] = orders.asked
    assert (looked["dry_run"], told["dry_run"]) == (True, False)
    assert (told["event"], told["violation"]["subject"]) == (kind, subject)


@pytest.mark.parametrize("reservation", ["sold", "reserved", None])
def test_a_cancelled_order_that_catalog_did_not_hear_of_is_told_again(
    run, catalog, orders, shop, reservation
):
    [mine] = [one for one in catalog.items if one["order_id"] == shop["cancelled"]]
    mine["status"] = reservation
    if reservation is None:
        catalog.items.remove(mine)

    assert run(apply=True) == [("repaired", "shop.orders_hold_their_units")]
    assert [one["event"] for one in orders.asked] == [None]


def test_what_catalog_could_not_follow_is_left_to_a_person(run, catalog, orders, shop):
    """Told again that it was placed, it would find no reservation: a dead letter."""
    for one in catalog.items:
        if one["order_id"] == shop["confirmed"]:
            one["status"] = "released"

    assert run(apply=True) == [("needs a person", "shop.orders_hold_their_units")]
    assert orders.asked == []


@pytest.mark.parametrize(("minutes", "asked"), [(21, 1), (19, 0)])
def test_a_confirmed_order_whose_units_are_only_held_is_told_again_after_a_while(
    run, catalog, orders, shop, minutes, asked
):
    since = rfc3339(utcnow() - timedelta(minutes=minutes))
    for one in catalog.items:
        if one["order_id"] == shop["confirmed"]:
            one |= {"status": "reserved", "reserved_at": since}

    assert run(apply=True) == [("repaired", "shop.orders_hold_their_units")] * asked
    assert len(orders.asked) == asked


def test_the_log_itself_and_lost_stock_changes_are_left_to_a_person(run, database, catalog, shop):
    chain.seal_all(database)
    execute(database, "UPDATE event_log SET actor = 'eve' WHERE position = 1")
    catalog.ledger.append({"id": 2, "product_id": LAMP, "event_id": str(uuid4())})

    assert run(apply=True) == [
        ("needs a person", "analytics.log_is_unbroken"),
        ("needs a person", "shop.stock_changes_are_told"),
    ]
    assert repaired(database) == []


@pytest.fixture
def count_beside_an_order(database, busy):
    """Counts while an order's sales and counters are written and not committed yet."""

    def count():
        return database.run(count_sales, f"product/{LAMP}")

    def run():
        lines = [Line(product_id=LAMP, quantity=1, unit_price=500)]
        order = Order(order_id="new", lines=lines, at=LATER, is_cancelled=False)
        moment = LATER.replace(tzinfo=None)
        execute(database, "UPDATE product_minutes SET units = 7 WHERE minute = :m", m=moment)
        with ThreadPoolExecutor() as pool, database.sessions.begin() as session:
            commands.record_orders(session, orders=[order])
            counting = pool.submit(count)
            eventually(lambda: waits_for_a_lock(database), what="the count's wait")
            session.commit()
            assert counting.result(timeout=20)

    return run


def waits_for_a_lock(database):
    minutes = f"`{database.engine.url.database}`.`product_minutes`"
    with database.engine.connect() as connection:
        status = connection.execute(text("SHOW ENGINE INNODB STATUS")).one()[2]
    return any(minutes in line and "waiting" in line for line in status.splitlines())


def test_a_count_waits_for_the_order_that_is_being_counted(
    count_beside_an_order, counted, recounted
):
    count_beside_an_order()

    assert counted() == recounted()


def test_without_the_lock_a_count_overlooks_the_order(
    count_beside_an_order, counted, recounted, monkeypatch
):
    def look(session, minute, product_id):
        return session.get(ProductMinute, (minute, product_id))

    monkeypatch.setattr(repair, "_lock_minute", look)

    count_beside_an_order()

    assert counted() != recounted()
