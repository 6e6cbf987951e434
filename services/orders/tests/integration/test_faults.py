# SPDX-License-Identifier: Apache-2.0
"""What breaks in the middle: a settlement happens as a whole or not at all."""

from contextlib import contextmanager

import pytest
from catalog_stub import LAMP
from sqlalchemy import func, select, text

from common.problems import Unavailable
from orders.commands.settle import settle_orders
from orders.models import OrderItem


@pytest.fixture
def lose_connection(checkout, database, monkeypatch):
    """Breaks the connection of the next confirmation, *before* or *after* its commit."""

    def arm(when):
        class Losing:
            read = staticmethod(database.read)
            armed = True

            def run(self, command, *arguments, **named):
                if command is not settle_orders or not self.armed:
                    return database.run(command, *arguments, **named)
                self.armed = False
                if when == "after":
                    database.run(command, *arguments, **named)
                raise Unavailable

        monkeypatch.setattr(checkout._endings, "_database", Losing())

    return arm


def test_a_commit_whose_receipt_is_lost_is_found_out(ada, lose_connection, catalog, ledger):
    lose_connection("after")

    answer = ada.order("k", (LAMP, 2))

    assert answer.status_code == 201
    assert answer.json == ada.get(f"/v1/orders/{answer.json['id']}").json
    assert ada.order("k", (LAMP, 2)).data == answer.data
    assert ledger.event_types() == ["OrderPlaced"]
    assert catalog.available(LAMP) == 8


def test_a_confirmation_that_never_came_is_taken_back(ada, lose_connection, ledger):
    lose_connection("before")

    assert ada.order("k", (LAMP, 2)).status_code == 503
    assert ledger.statuses() == ["rejected"]
    assert ledger.event_types() == ["OrderRejected"]
    assert ada.order("k", (LAMP, 2)).status_code == 201
    assert ledger.statuses() == ["rejected", "confirmed"]


@contextmanager
def broken_table(database, name):
    """No row gets into this table."""
    trigger = f"broken_{name}"
    signal = "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'broken'"
    with database.engine.begin() as connection:
        connection.execute(
            text(f"CREATE TRIGGER {trigger} BEFORE INSERT ON {name} FOR EACH ROW {signal}")
        )
    try:
        yield
    finally:
        with database.engine.begin() as connection:
            connection.execute(text(f"DROP TRIGGER {trigger}"))


@pytest.mark.parametrize("table", ["outbox_messages", "order_items"])
def test_a_settlement_happens_as_a_whole_or_not_at_all(
    ada, checkout, database, ledger, catalog, table
):
    ada.want(LAMP, 2)
    with broken_table(database, table):
        answer = ada.order("k")

        assert answer.status_code == 500
        assert "broken" not in answer.text
        assert ledger.statuses() == ["pending"]
        assert ledger.events() == []
        assert ada.get("/v1/cart").json["items"][0]["quantity"] == 2
        with database.sessions() as session:
            assert session.scalars(select(func.count()).select_from(OrderItem)).one() == 0
    ledger.lapse()

    assert checkout.sweep() == 1
    assert ledger.event_types() == ["OrderPlaced"]
    assert ada.order("k").status_code == 201
    assert ada.get("/v1/cart").json["items"] == []
    assert catalog.available(LAMP) == 8


def test_the_description_of_the_calls_can_be_made(app):
    paths = app.spec["paths"] if isinstance(app.spec, dict) else {}

    assert {"/v1/cart", "/v1/orders", "/v1/orders/{order_id}/cancel"} <= paths.keys()
