# SPDX-License-Identifier: Apache-2.0
"""What orders tells the world about an order, made from the order itself."""

from common.contracts import OrderCancelled, OrderLine, OrderPlaced, OrderRejected
from orders.models import Order, Standing


def outcome_of(order: Order | Standing) -> OrderPlaced | OrderCancelled | OrderRejected:
    """The event that says what became of a settled order, with its items loaded."""
    if order.status == "rejected":
        return OrderRejected(order_id=str(order.id), reason=order.reason or "")
    assert order.status in {"confirmed", "cancelled"}
    return told_of(order, OrderPlaced if order.status == "confirmed" else OrderCancelled)


def told_of(
    order: Order | Standing, kind: type[OrderPlaced] | type[OrderCancelled]
) -> OrderPlaced | OrderCancelled:
    """The event of this *kind* about an order that stands or stood, with its items loaded."""
    assert order.total_minor is not None
    return kind(
        order_id=str(order.id),
        customer_id=order.customer_id,
        items=[
            OrderLine(
                product_id=item.product_id,
                quantity=item.quantity,
                unit_price=item.unit_price_minor,
                sku=item.sku,
                name=item.name,
            )
            for item in order.items
        ],
        total=order.total_minor,
        currency=order.currency,
    )
