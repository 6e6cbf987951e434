# SPDX-License-Identifier: Apache-2.0
"""Other services' news: twice, late, and out of order."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from catalog_stub import LAMP, RUG
from pending import begin
from sqlalchemy import select

from common.contracts import ReservationOverdue, UserChanged, UserDeleted, UserRegistered
from common.events import Envelope
from orders.handlers import HANDLERS
from orders.models import NOBODY, Cart, CartItem, Customer


@pytest.fixture
def hear(database):
    """Handles an event as the subscriber does."""

    def handle(event, version=1):
        envelope = Envelope.seal(event, aggregate_version=version)
        database.run(lambda session: HANDLERS[type(event)](session, event, envelope))

    # The commands' metric has the command's name; a lambda has none worth keeping.
    return handle


def user(kind, username="ada", *, user_id=1, guest=False):
    return kind(
        user_id=user_id,
        username=username,
        email=None,
        fullname=None,
        role="user",
        guest=guest,
    )


def overdue(order_id):
    return ReservationOverdue(order_id=str(order_id), reserved_at=datetime(2026, 1, 1, tzinfo=UTC))


def known(database):
    with database.sessions() as session:
        customer = session.scalars(select(Customer)).one()
        return customer.username, customer.is_guest, customer.is_deleted, customer.version


def test_a_customer_is_remembered_once(database, hear):
    for _ in range(2):
        hear(user(UserRegistered, guest=True))

    assert known(database) == ("ada", True, False, 1)


def test_the_newest_word_about_a_customer_counts_in_any_order(database, hear):
    hear(user(UserChanged, "ada lovelace"), version=3)
    hear(user(UserRegistered, "ada"), version=1)
    hear(user(UserChanged, "ada byron"), version=2)

    assert known(database) == ("ada lovelace", False, False, 3)


def test_a_deleted_customers_cart_goes(database, hear, ada, bob):
    ada.want(LAMP, 1)
    bob.want(LAMP, 1)

    for _ in range(2):
        hear(user(UserDeleted), version=2)
    hear(user(UserChanged), version=1)

    assert known(database) == ("ada", False, True, 2)
    with database.sessions() as session:
        assert list(session.scalars(select(Cart.customer_id))) == [2]
        assert list(session.scalars(select(CartItem.customer_id))) == [2]


def test_a_deleted_customers_order_is_still_settled(database, hear, ada, checkout, ledger):
    ada.want(LAMP, 1)
    begin(database, None)
    hear(user(UserDeleted), version=2)
    ledger.lapse()

    assert checkout.sweep() == 1
    assert ledger.statuses() == ["confirmed"]


def test_an_overdue_reservation_of_a_confirmed_order_is_told_as_placed_again(hear, ada, ledger):
    order_id = ada.order("k", (LAMP, 2)).json["id"]

    for _ in range(2):
        hear(overdue(order_id))

    [first, second, third] = ledger.events()
    assert first == second == third
    assert first[0] == "OrderPlaced"
    assert ledger.statuses() == ["confirmed"]


def test_an_overdue_reservation_of_a_cancelled_order_is_told_as_cancelled_again(hear, ada, ledger):
    order_id = ada.order("k", (LAMP, 2)).json["id"]
    ada.post(f"/v1/orders/{order_id}/cancel")

    hear(overdue(order_id))

    assert ledger.event_types() == ["OrderPlaced", "OrderCancelled", "OrderCancelled"]


def test_an_overdue_reservation_of_a_rejected_order_is_told_as_rejected(hear, ada, ledger, catalog):
    ada.order("k", (RUG, 9))
    [order_id] = catalog.commands

    hear(overdue(order_id))

    assert ledger.events() == [
        ("OrderRejected", {"order_id": order_id, "reason": "insufficient_stock"})
    ]


def test_an_overdue_reservation_of_a_pending_order_is_left_to_the_sweep(
    database, hear, ledger, checkout
):
    pending = begin(database, {LAMP: 1})

    hear(overdue(pending.order_id))

    assert ledger.statuses() == ["pending"]
    assert ledger.events() == []
    ledger.lapse()
    checkout.sweep()
    assert ledger.event_types() == ["OrderPlaced"]


def test_an_overdue_reservation_of_nobodys_order_is_rejected_for_ever(hear, ledger, root):
    order_id = uuid4()

    for _ in range(2):
        hear(overdue(order_id))

    assert (
        ledger.events() == [("OrderRejected", {"order_id": str(order_id), "reason": "unknown"})] * 2
    )
    tombstone = ledger.order(order_id)
    assert (tombstone.status, tombstone.customer_id) == ("rejected", NOBODY)
    assert root.get("/v1/orders").json["items"] == []
    assert root.post(f"/v1/orders/{order_id}/cancel").json["code"] == "not_cancellable"


def test_an_overdue_reservation_without_an_order_id_is_poison(hear):
    with pytest.raises(ValueError):
        hear(overdue("not an id"))
