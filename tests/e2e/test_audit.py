# SPDX-License-Identifier: Apache-2.0
"""The audit of the running shop: everything holds, and damage done by hand does not stay hidden."""

import pytest

from common.testing import eventually
from souk_local.console import Terminal
from soukctl.audit import ask
from soukctl.shop import Refused
from support.databases import schema_of


@pytest.fixture(scope="module")
def admin(shop):
    return shop.admin()


@pytest.fixture
def order(shop, admin):
    """An order that stands, beside one that was cancelled."""
    lamp, ada = shop.product(admin, "Audited lamp", quantity=9), shop.sign_up()
    items = {"items": [{"product": lamp["id"], "quantity": 2}]}
    placed, gone = ada.order(items).json(), ada.order(items).json()
    assert ada.post(f"/v1/orders/{gone['id']}/cancel").status_code == 200
    return placed


def broken_rules(admin):
    answer = admin.get("/v1/audit/invariants")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    broken = {one["name"]: one["violations"] for one in body["checks"] if not one["ok"]}
    assert body["ok"] is (not broken)
    return broken


def is_sealed(stack):
    """Whether the event log is chained to its end: what is damaged earlier is sealed damaged."""
    with schema_of(stack, "analytics") as cursor:
        cursor.execute("SELECT COUNT(*) FROM event_log WHERE position IS NULL")
        return cursor.fetchone()[0] == 0


def test_in_a_shop_that_just_sold_everything_holds(admin, order):
    assert broken_rules(admin) == {}


@pytest.mark.parametrize(
    ("service", "damage", "repair", "rule"),
    [
        (
            "catalog",
            "UPDATE stock SET on_hand = on_hand + 1 WHERE product_id = {product}",
            "UPDATE stock SET on_hand = on_hand - 1 WHERE product_id = {product}",
            "catalog.ledger_adds_up",
        ),
        (
            "catalog",
            "UPDATE reservations SET status = 'released' WHERE order_id = UNHEX('{order}')",
            "UPDATE reservations SET status = 'sold' WHERE order_id = UNHEX('{order}')",
            "shop.orders_hold_their_units",
        ),
        (
            "orders",
            "UPDATE orders SET total_minor = total_minor + 1 WHERE id = UNHEX('{order}')",
            "UPDATE orders SET total_minor = total_minor - 1 WHERE id = UNHEX('{order}')",
            "orders.totals_add_up",
        ),
        (
            "analytics",
            "UPDATE event_log SET subject = 'order/lost' WHERE subject = 'order/{id}'",
            "UPDATE event_log SET subject = 'order/{id}' WHERE subject = 'order/lost'",
            "shop.orders_are_told",
        ),
    ],
)
def test_damage_done_by_hand_is_named(stack, admin, order, service, damage, repair, rule):
    assert broken_rules(admin) == {}
    eventually(lambda: is_sealed(stack))
    names = {
        "product": order["items"][0]["product_id"],
        "order": order["id"].replace("-", ""),
        "id": order["id"],
    }
    with schema_of(stack, service) as cursor:
        assert cursor.execute(damage.format(**names))
        try:
            found = broken_rules(admin)
        finally:
            cursor.execute(repair.format(**names))

    assert rule in found
    assert found[rule][0]["subject"] in {f"order/{names['id']}", f"product/{names['product']}"}
    assert broken_rules(admin) == {}


def test_make_audit_shows_every_rule_and_what_breaks_it(shop, stack, capsys):
    checks = ask(shop.url, "admin", stack.keyring.admin_password)
    broken = {"subject": "order/7", "detail": "is [gone]"}

    Terminal().checks([*checks, {"name": "shop.x", "ok": False, "violations": [broken]}])

    shown = capsys.readouterr().out
    assert "✓ catalog.nothing_is_oversold" in shown
    assert "✗ shop.x\n    order/7: is [gone]" in shown
    with pytest.raises(Refused):
        ask(shop.url, "admin", "wrong")


def test_only_admins_may_ask(shop):
    assert shop.sign_up().get("/v1/audit/invariants").status_code == 403
    assert shop.visitor().get("/v1/audit/invariants").status_code == 401
