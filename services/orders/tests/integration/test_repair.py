# SPDX-License-Identifier: Apache-2.0
"""Of all damage that the audit finds, orders are repaired where a second record proves it."""

from uuid import UUID

import pytest
from catalog_stub import LAMP, RUG
from sqlalchemy import text

from common.audit import examine
from common.context import Trace, traced
from common.outbox import outbox_messages
from common.repairs import repair_all
from orders.audit import INVARIANTS
from orders.repair import RULES

PENDING = (
    "UPDATE orders SET status = 'pending', placed_at = NULL, total_minor = NULL,"
    " held_until = UTC_TIMESTAMP() - INTERVAL 6 MINUTE WHERE id = :id"
)
TABLES = ("orders", "order_items", "idempotency_keys", "outbox_messages", "repairs")


@pytest.fixture
def orders(ada, database):
    """A confirmed order and a cancelled one, of which everybody has heard."""
    stands = ada.order("stands", (LAMP, 2)).json
    gone = ada.order("gone", (LAMP, 1), (RUG, 1)).json
    ada.post(f"/v1/orders/{gone['id']}/cancel")
    with database.engine.begin() as connection:
        connection.execute(outbox_messages.delete())
    return {"confirmed": stands["id"], "cancelled": gone["id"]}


def damage(database, statement, order_id):
    with database.engine.begin() as connection:
        values = {"id": UUID(order_id).bytes}
        assert connection.execute(text(statement), values).rowcount


def content(database):
    with database.engine.connect() as connection:
        return [connection.execute(text(f"SELECT * FROM {table}")).all() for table in TABLES]


def repaired(database):
    with database.engine.connect() as connection:
        found = connection.execute(text("SELECT actor, rule, was, became FROM repairs ORDER BY id"))
        return [tuple(row) for row in found]


def apply(database):
    with traced(Trace(actor="operator/grace")):
        return [(one.state, one.rule) for one in repair_all(database, RULES, apply=True)]


def broken_rules(database):
    return {check.name for check in examine(database, INVARIANTS) if check.violations}


def test_every_rule_has_its_repair_or_says_what_a_person_should_look_at():
    assert {name: rule.invariant for name, rule in RULES.items()} == INVARIANTS


@pytest.mark.parametrize(
    ("state", "statement", "rule", "was", "became"),
    [
        (
            "confirmed",
            "UPDATE orders SET total_minor = 1 WHERE id = :id",
            "orders.totals_add_up",
            "costs 0.01",
            "costs 25.00",
        ),
        (
            "confirmed",
            "UPDATE order_items SET is_sold = false WHERE order_id = :id",
            "orders.items_follow_their_order",
            f"is_sold=False for products [{LAMP}]",
            "is_sold=True",
        ),
        (
            "cancelled",
            "UPDATE order_items SET is_sold = true WHERE order_id = :id",
            "orders.items_follow_their_order",
            f"is_sold=True for products {sorted([LAMP, RUG])}",
            "is_sold=False",
        ),
    ],
)
def test_what_a_second_record_proves_is_repaired_once(
    database, orders, state, statement, rule, was, became
):
    good = content(database)
    damage(database, statement, orders[state])
    bad = content(database)
    looked = repair_all(database, RULES, apply=False)
    assert [(one.state, one.rule, one.was) for one in looked] == [("repairable", rule, was)]
    assert content(database) == bad

    assert apply(database) == [("repaired", rule)]

    assert broken_rules(database) == set()
    assert content(database)[:-1] == good[:-1]
    assert repaired(database) == [("operator/grace", rule, was, became)]
    assert apply(database) == []


@pytest.mark.parametrize(
    ("state", "statement", "rules"),
    [
        # The items are not what the customer was told.
        (
            "confirmed",
            "UPDATE order_items SET quantity = 3 WHERE order_id = :id",
            {"orders.totals_add_up"},
        ),
        ("cancelled", "DELETE FROM order_items WHERE order_id = :id", {"orders.totals_add_up"}),
        # The status was changed alone: nobody knows whether the order stands.
        (
            "confirmed",
            "UPDATE orders SET status = 'cancelled' WHERE id = :id",
            {"orders.items_follow_their_order"},
        ),
        (
            "confirmed",
            PENDING,
            {
                "orders.nothing_stays_pending",
                "orders.answers_are_kept",
                "orders.items_follow_their_order",
            },
        ),
    ],
)
def test_what_nothing_proves_is_left_to_a_person(database, orders, state, statement, rules):
    damage(database, statement, orders[state])
    before = content(database)

    assert set(apply(database)) == {("needs a person", rule) for rule in rules}

    assert content(database) == before


def test_a_total_whose_answer_was_forgotten_is_left_to_a_person(database, orders):
    damage(database, "UPDATE orders SET total_minor = 1 WHERE id = :id", orders["confirmed"])
    damage(database, "DELETE FROM idempotency_keys WHERE reference = :id", orders["confirmed"])

    assert apply(database) == [("needs a person", "orders.totals_add_up")]


@pytest.fixture
def tell(app, token_factory):
    """Asks as analytics would for an operator."""
    headers = token_factory.service_bearer("analytics") | {"X-Souk-Actor": "operator/grace"}
    client = app.test_client()

    def ask(order_id, event=None, *, dry_run=False):
        violation = {"subject": f"order/{order_id}", "detail": "x"}
        wanted = {"rule": "shop.x", "violation": violation, "event": event, "dry_run": dry_run}
        return client.post("/internal/audit/tellings", headers=headers, json=wanted).json["outcome"]

    return ask


@pytest.mark.parametrize(
    ("state", "event", "told"),
    [
        ("confirmed", None, "OrderPlaced"),
        ("confirmed", "OrderPlaced", "OrderPlaced"),
        ("cancelled", None, "OrderCancelled"),
        ("cancelled", "OrderPlaced", "OrderPlaced"),
        ("cancelled", "OrderCancelled", "OrderCancelled"),
    ],
)
def test_what_was_not_heard_is_told_again_once(database, orders, ledger, tell, state, event, told):
    order_id = orders[state]
    assert tell(order_id, event, dry_run=True)["state"] == "repairable"
    assert ledger.event_types() == []

    assert tell(order_id, event)["state"] == "repaired"
    again = tell(order_id, event)

    # It waits for the relay, and is not told a third time.
    assert again["state"] == "needs a person"
    assert "waits in the outbox" in again["advice"]
    [(kind, data)] = ledger.events()
    assert (kind, data["order_id"]) == (told, order_id)
    assert repaired(database) == [
        ("operator/grace", "shop.x", f"{told} was not heard", f"{told} is told again")
    ]


def test_what_never_happened_is_not_told(orders, ledger, tell):
    assert tell(orders["confirmed"], "OrderCancelled") is None
    assert ledger.event_types() == []


def test_an_order_that_nobody_knows_is_rejected_for_ever(ledger, tell):
    unknown = str(UUID(int=7))

    assert tell(unknown)["state"] == "repaired"

    assert ledger.event_types() == ["OrderRejected"]
    assert ledger.order(unknown).status == "rejected"


@pytest.mark.parametrize("event", [None, "OrderPlaced", "OrderCancelled"])
def test_what_is_no_number_of_an_order_needs_a_person(ledger, tell, event):
    outcome = tell("o-1", event)

    assert (outcome["state"], outcome["subject"]) == ("needs a person", "order/o-1")
    assert "no order has such a number" in outcome["advice"]
    assert ledger.event_types() == []


def test_only_services_may_ask_for_a_telling(ada, orders):
    assert ada.post("/internal/audit/tellings").status_code == 401
