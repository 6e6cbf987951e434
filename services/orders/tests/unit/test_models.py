# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime

import pytest

from common.contracts import OrderCancelled, OrderLine, OrderPlaced, OrderRejected
from common.idempotency import InProgress
from common.identifiers import uuid7
from orders.errors import NotCancellable
from orders.events import outcome_of
from orders.models import Order, OrderItem


def order(status):
    order_id = uuid7()
    stood = status in {"confirmed", "cancelled"}
    item = OrderItem(
        order_id=order_id,
        product_id=42,
        customer_id=1,
        sku=None,
        name="Lamp",
        quantity=3,
        unit_price_minor=1250,
    )
    return Order(
        id=order_id,
        customer_id=1,
        status=status,
        reason="unavailable" if status == "rejected" else None,
        currency="USD",
        version=2,
        total_minor=3750 if stood else None,
        placed_at=datetime(2026, 1, 1, tzinfo=UTC) if stood else None,
        items=[item] if stood else [],
    )


def test_a_confirmed_order_is_cancelled_once():
    standing = order("confirmed")

    assert standing.cancel()
    assert not standing.cancel()
    assert standing.status == "cancelled"
    assert standing.version == 3


def test_an_order_that_never_stood_is_not_cancelled():
    rejected = order("rejected")

    with pytest.raises(NotCancellable):
        rejected.cancel()

    assert rejected.status == "rejected"


def test_an_order_that_is_being_placed_is_not_cancelled():
    pending = order("pending")

    with pytest.raises(InProgress):
        pending.cancel()

    assert pending.status == "pending"


@pytest.mark.parametrize(
    ("status", "kind"), [("confirmed", OrderPlaced), ("cancelled", OrderCancelled)]
)
def test_an_order_that_stood_tells_its_lines_in_minor_units(status, kind):
    told = order(status)

    assert outcome_of(told) == kind(
        order_id=str(told.id),
        customer_id=1,
        items=[OrderLine(product_id=42, quantity=3, unit_price=1250, sku=None, name="Lamp")],
        total=3750,
        currency="USD",
    )


def test_a_rejected_order_tells_why():
    told = order("rejected")

    assert outcome_of(told) == OrderRejected(order_id=str(told.id), reason="unavailable")
