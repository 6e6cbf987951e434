# SPDX-License-Identifier: Apache-2.0
"""The audit finds nothing in a life of orders, and every kind of damage done by hand."""

import pytest
from catalog_stub import LAMP, RUG
from sqlalchemy import text

from common.audit import examine
from orders.audit import INVARIANTS


@pytest.fixture
def orders(ada):
    """A confirmed order, a cancelled one, and one that was refused."""
    stands = ada.order("stands", (LAMP, 2)).json
    gone = ada.order("gone", (LAMP, 1), (RUG, 1)).json
    ada.post(f"/v1/orders/{gone['id']}/cancel")
    assert ada.order("refused", (RUG, 99)).status_code == 409
    return {"confirmed": stands["id"], "cancelled": gone["id"]}


def broken_rules(database):
    return {
        check.name.removeprefix("orders."): [one.subject for one in check.violations]
        for check in examine(database, INVARIANTS)
        if check.violations
    }


def damage(database, statement, order_id):
    with database.engine.begin() as connection:
        values = {"id": bytes.fromhex(order_id.replace("-", ""))}
        assert connection.execute(text(statement), values).rowcount


def test_orders_in_every_state_break_no_rule(database, orders):
    assert len(orders) == 2
    assert broken_rules(database) == {}


@pytest.mark.parametrize(
    ("state", "statement", "rule"),
    [
        ("confirmed", "UPDATE orders SET total_minor = 1 WHERE id = :id", "totals_add_up"),
        ("cancelled", "DELETE FROM order_items WHERE order_id = :id", "totals_add_up"),
        (
            "confirmed",
            "UPDATE order_items SET is_sold = false WHERE order_id = :id",
            "items_follow_their_order",
        ),
        (
            "confirmed",
            "UPDATE orders SET status = 'cancelled' WHERE id = :id",
            "items_follow_their_order",
        ),
    ],
)
def test_damage_is_found(database, orders, state, statement, rule):
    damage(database, statement, orders[state])

    assert broken_rules(database) == {rule: [f"order/{orders[state]}"]}


def test_an_order_that_nobody_settles_is_found(database, orders):
    order_id = orders["confirmed"]
    damage(
        database,
        "UPDATE orders SET status = 'pending', placed_at = NULL, total_minor = NULL,"
        " held_until = UTC_TIMESTAMP() - INTERVAL 6 MINUTE WHERE id = :id",
        order_id,
    )

    found = broken_rules(database)

    assert found["nothing_stays_pending"] == [f"order/{order_id}"]
    # Its customer was told that it stands.
    assert found["answers_are_kept"] == [f"order/{order_id}"]


def test_a_promised_order_that_is_gone_is_found(database, orders):
    order_id = orders["confirmed"]
    damage(database, "DELETE FROM order_items WHERE order_id = :id", order_id)
    damage(database, "DELETE FROM orders WHERE id = :id", order_id)

    assert broken_rules(database) == {"answers_are_kept": [f"order/{order_id}"]}


def test_the_audit_comes_in_pages_and_only_to_services(app, ada, orders, token_factory):
    service, client = token_factory.service_bearer("analytics"), app.test_client()

    first = client.get("/internal/audit/orders?limit=2", headers=service).json["items"]
    rest = client.get(
        f"/internal/audit/orders?limit=2&after={first[-1]['order_id']}", headers=service
    ).json["items"]

    assert [one["status"] for one in first + rest] == ["confirmed", "cancelled", "rejected"]
    assert first[0]["items"] == [[LAMP, 2, 1250]]
    assert client.get("/internal/audit", headers=service).json["checks"][0]["violations"] == []
    assert ada.get("/internal/audit").status_code == 401
