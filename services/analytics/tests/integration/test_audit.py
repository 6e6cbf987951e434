# SPDX-License-Identifier: Apache-2.0
"""What the audit makes of three services' words; catalog and orders are stubs."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from analytics.audit import INVARIANTS, LOOKS, Auditor
from common.audit import examine
from common.problems import Unavailable

LAMP = 42
LATER = datetime(2026, 11, 20, 12, 5, tzinfo=UTC)


def broken_rules(auditor):
    return {
        check.name: [one.subject for one in check.violations]
        for check in auditor.audit()
        if check.violations
    }


def damage(database, statement, **values):
    with database.engine.begin() as connection:
        assert connection.execute(text(statement), values).rowcount


def test_where_everybody_agrees_no_rule_is_broken(auditor, shop):
    assert broken_rules(auditor) == {}


def test_what_a_service_says_of_itself_is_in_the_audit(auditor, catalog, shop):
    catalog.violations = [{"subject": "product/1", "detail": "x"}]

    assert broken_rules(auditor) == {"their.own": ["product/1"]}


@pytest.mark.parametrize(
    ("status", "held"),
    [
        ("confirmed", "released"),
        ("confirmed", "cancelled"),
        ("cancelled", "sold"),
        ("cancelled", "reserved"),
    ],
)
def test_an_order_and_a_reservation_that_do_not_fit_are_found(auditor, catalog, shop, status, held):
    for one in catalog.items:
        if one["order_id"] == shop[status]:
            one["status"] = held

    assert broken_rules(auditor) == {"shop.orders_hold_their_units": [f"order/{shop[status]}"]}


def test_an_order_without_a_reservation_and_the_reverse_are_found(auditor, catalog, shop):
    lost = catalog.items.pop(0)
    unknown = {"order_id": str(uuid4()), "status": "reserved", "lines": [[LAMP, 1]]}
    catalog.items.append(unknown)

    found = broken_rules(auditor)["shop.orders_hold_their_units"]

    assert sorted(found) == sorted(f"order/{one['order_id']}" for one in (lost, unknown))


def test_another_number_of_units_is_found(auditor, catalog, shop):
    for one in catalog.items:
        if one["order_id"] == shop["confirmed"]:
            one["lines"] = [[LAMP, 3]]

    assert list(broken_rules(auditor)) == ["shop.orders_hold_their_units"]


@pytest.mark.parametrize("kind", ["OrderPlaced", "OrderCancelled"])
def test_an_order_that_was_not_told_is_found(auditor, database, shop, kind):
    subject = f"order/{shop['cancelled']}"
    damage(database, "DELETE FROM event_log WHERE subject = :s AND type = :t", s=subject, t=kind)

    assert broken_rules(auditor) == {"shop.orders_are_told": [subject]}


def test_an_event_that_was_told_twice_under_two_ids_is_found(auditor, database, shop):
    subject = f"order/{shop['confirmed']}"
    damage(
        database,
        "INSERT INTO event_log (event_id, source, type, version, subject, aggregate_version, time,"
        " correlation_id, causation_id, actor, body) SELECT :id, source, type, version, subject,"
        " aggregate_version, time, correlation_id, causation_id, actor, body FROM event_log"
        " WHERE subject = :s",
        s=subject,
        id=uuid4().bytes,
    )

    assert broken_rules(auditor) == {
        "analytics.events_are_told_once": [subject],
        "shop.orders_are_told": [subject],
    }


def test_an_order_that_is_told_again_because_catalog_asked_is_no_violation(
    auditor, database, hear, shop, teller
):
    event, envelope = teller.placed(shop["confirmed"], (LAMP, 2, 500))
    answer = envelope.model_copy(update={"id": uuid4(), "causationid": str(uuid4())})
    hear((event, answer))

    assert broken_rules(auditor) == {}

    damage(database, "DELETE FROM event_log WHERE event_id = :id", id=answer.id.bytes)
    hear((event, answer.model_copy(update={"id": uuid4(), "causationid": None})))
    assert set(broken_rules(auditor)) >= {
        "analytics.events_are_told_once",
        "shop.orders_are_told",
    }


def test_a_stock_change_that_nobody_was_told_of_is_found(auditor, catalog, shop):
    catalog.ledger.append({"id": 2, "product_id": LAMP, "event_id": str(UUID(int=7))})

    assert broken_rules(auditor) == {"shop.stock_changes_are_told": [f"product/{LAMP}"]}


def test_sales_that_are_not_orders_are_found(auditor, database, shop):
    damage(database, "UPDATE sales SET quantity = 3 WHERE order_id = :id", id=shop["confirmed"])

    assert broken_rules(auditor) == {
        "analytics.minutes_match_sales": [f"product/{LAMP}"],
        "shop.sales_match_orders": [f"order/{shop['confirmed']}"],
    }


def test_views_that_were_not_counted_are_found(database, hear, teller):
    hear(teller.view(LAMP), teller.view(LAMP, at=LATER))
    moment = LATER.replace(tzinfo=None)
    damage(database, "UPDATE product_minutes SET views = 2 WHERE minute = :m", m=moment)

    (found,) = [one for one in examine(database, INVARIANTS) if one.violations]

    assert found.name == "analytics.minutes_match_views"


def test_what_comes_right_between_two_looks_is_no_violation(database, catalog, orders, shop):
    late = catalog.items.pop()
    looks = []

    def arrives():
        looks.append(1)
        catalog.items = [one for one in catalog.items if one is not late] + [late]

    assert broken_rules(Auditor(database, catalog, orders, pause=arrives)) == {}
    assert len(looks) == 1 < LOOKS


def test_without_a_services_word_there_is_no_verdict(database, catalog, orders):
    orders.get = lambda _path: type("No", (), {"status": 403, "json": dict})()

    with pytest.raises(Unavailable):
        Auditor(database, catalog, orders).audit()


def test_only_admins_may_ask(client, token_factory):
    for role in ("user", "analyst"):
        headers = token_factory.bearer(5, "eve", role)
        assert client.get("/v1/audit/invariants", headers=headers).status_code == 403
    assert client.get("/v1/audit/invariants").status_code == 401
