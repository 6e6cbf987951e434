# SPDX-License-Identifier: Apache-2.0
"""The audit finds nothing in a life of orders, and every kind of damage done by hand."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from catalog.audit import INVARIANTS
from catalog.commands.reservations import (
    Wish,
    cancel_reservation,
    release_reservation,
)
from common.audit import examine
from support.reserving import reserve_one, sell_one


@pytest.fixture
def lamp(sell):
    return sell("Lamp", quantity=10)


@pytest.fixture
def orders(database, sell, lamp):
    """One order of two products in every state that a reservation can have."""
    cup = sell("Cup", quantity=10)

    def reserve(units=1):
        order_id = uuid4()
        wish = Wish(lines={lamp.id: units, cup.id: 1}, prices={}, total=None)
        reserve_one(database, order_id=order_id, wish=wish)
        return order_id

    made = {
        name: reserve()
        for name in ("reserved", "sold", "released", "cancelled", "sold then cancelled")
    }
    sell_one(database, made["sold"])
    database.run(release_reservation, order_id=made["released"])
    database.run(cancel_reservation, order_id=made["cancelled"])
    sell_one(database, made["sold then cancelled"])
    database.run(cancel_reservation, order_id=made["sold then cancelled"])
    made["refused"] = reserve(units=99)
    made["cancelled first"] = uuid4()
    database.run(cancel_reservation, order_id=made["cancelled first"])
    return made


def broken_rules(database):
    return {
        check.name.removeprefix("catalog."): [one.subject for one in check.violations]
        for check in examine(database, INVARIANTS)
        if check.violations
    }


def damage(database, statement, **values):
    with database.engine.begin() as connection:
        assert connection.execute(text(statement), values).rowcount


def test_orders_in_every_state_break_no_rule(database, orders):
    assert len(orders) == 7
    assert broken_rules(database) == {}


def test_units_that_came_from_nowhere_are_found(database, orders, lamp):
    damage(database, "UPDATE stock SET on_hand = on_hand + 1 WHERE product_id = :id", id=lamp.id)

    assert broken_rules(database) == {"ledger_adds_up": [f"product/{lamp.id}"]}


def test_a_changed_ledger_is_found(database, orders, lamp):
    damage(
        database,
        "UPDATE stock_ledger SET on_hand = on_hand + 1 WHERE product_id = :id AND delta = 10",
        id=lamp.id,
    )

    # That entry no longer begins where the one before it ended, nor the one behind it.
    assert broken_rules(database) == {"ledger_has_no_gap": [f"product/{lamp.id}"] * 2}


def test_units_that_are_held_for_nobody_are_found(database, orders, lamp):
    damage(database, "UPDATE stock SET reserved = reserved + 1 WHERE product_id = :id", id=lamp.id)

    assert broken_rules(database) == {"reserved_is_promised": [f"product/{lamp.id}"]}


def test_a_sale_that_never_left_the_shelf_is_found(database, orders, lamp):
    order_id = orders["sold"]
    damage(database, "DELETE FROM stock_ledger WHERE order_id = :id", id=order_id.bytes)

    assert broken_rules(database)["sold_left_the_shelf"] == [f"order/{order_id}"] * 2


def test_a_cancelled_order_whose_units_are_not_back_is_found(database, orders):
    order_id = orders["sold then cancelled"]
    damage(
        database,
        "DELETE FROM stock_ledger WHERE order_id = :id AND delta > 0",
        id=order_id.bytes,
    )

    assert broken_rules(database)["sold_left_the_shelf"] == [f"order/{order_id}"] * 2


def test_an_oversold_product_is_found(database, orders, lamp):
    name, rule = "ck_stock_reserved", "CHECK (reserved >= 0 AND reserved <= on_hand)"
    with database.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE stock DROP CONSTRAINT {name}"))
    try:
        damage(database, "UPDATE stock SET reserved = 99 WHERE product_id = :id", id=lamp.id)

        assert broken_rules(database)["nothing_is_oversold"] == [f"product/{lamp.id}"]
    finally:
        damage(database, "UPDATE stock SET reserved = 1 WHERE product_id = :id", id=lamp.id)
        with database.engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE stock ADD CONSTRAINT {name} {rule}"))


def test_the_audit_comes_in_pages_and_only_to_services(client, orders, token_factory, grace):
    service = token_factory.service_bearer("analytics")

    first = client.get("/internal/audit/reservations?limit=4", headers=service).json["items"]
    rest = client.get(
        f"/internal/audit/reservations?limit=4&after={first[-1]['order_id']}", headers=service
    ).json["items"]
    entries = client.get("/internal/audit/ledger?limit=3", headers=service).json["items"]

    ids = [one["order_id"] for one in first + rest]
    assert ids == sorted(str(order_id) for order_id in orders.values())
    assert [set(one) for one in entries] == [{"id", "product_id", "event_id"}] * 3
    assert client.get("/internal/audit", headers=service).json["checks"][0]["violations"] == []
    assert client.get("/internal/audit", headers=grace).status_code == 401
