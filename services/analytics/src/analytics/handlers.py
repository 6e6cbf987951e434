# SPDX-License-Identifier: Apache-2.0
"""What analytics does about events of each kind. All are written down; some also count.

Handlers may run twice and in any order. Once an event is in the log it is never taken in again, so
that holds even when the inbox has forgotten it.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from analytics import commands
from analytics.commands import Line, NewView, Order
from common.contracts import (
    SUBSCRIPTIONS,
    VIEWS,
    Event,
    OneView,
    OrderCancelled,
    OrderPlaced,
    ProductChanged,
    ProductCreated,
    ProductDeleted,
    ProductPriceChanged,
    ProductsViewed,
    ProductViewed,
)
from common.events import Envelope
from common.subscriber import BatchHandler

Told = Sequence[tuple[Any, Envelope]]


def on_products_told(session: Session, received: Told) -> None:
    """Know what each product is called and whose it is."""
    for event, envelope in received:
        public_id = getattr(event, "changes", {}).get("public_id")
        commands.learn_product(
            session,
            product_id=event.product_id,
            version=envelope.aggregateversion,
            sku=event.sku,
            name=event.name,
            seller_id=event.seller_id,
            public_id=(public_id.new or public_id.old) if public_id else None,
            is_deleted=isinstance(event, ProductDeleted),
        )


def on_orders_settled(session: Session, received: Told) -> None:
    """Count what was sold, or take it back."""
    orders = [
        Order(
            order_id=event.order_id,
            lines=[
                Line(product_id=item.product_id, quantity=item.quantity, unit_price=item.unit_price)
                for item in event.items
            ],
            at=envelope.time,
            is_cancelled=isinstance(event, OrderCancelled),
        )
        for event, envelope in received
    ]
    commands.record_orders(session, orders=orders)


def on_products_viewed(
    session: Session, received: Sequence[tuple[ProductViewed | ProductsViewed, Envelope]]
) -> set[UUID]:
    """Keep and count views, whether they came alone or many in a message."""
    views = [view for event, envelope in received for view in _views_of(event, envelope)]
    return commands.record_views(session, views=views)


def _views_of(event: ProductViewed | ProductsViewed, envelope: Envelope) -> list[NewView]:
    if isinstance(event, ProductsViewed):
        return [_new_view(view, view.time, view.id) for view in event.views]
    return [_new_view(event, envelope.time, envelope.id)]


def _new_view(view: ProductViewed | OneView, at: datetime, event_id: UUID) -> NewView:
    return NewView(
        at.astimezone(UTC), event_id, view.product_id, view.viewer_id, view.session, view.status
    )


def on_anything(_session: Session, _received: Told) -> None:
    """The log is all that wants to know."""


def logged(handler: Callable[[Session, Told], None]) -> BatchHandler:
    """Write events down first, and leave it at that where one has been written down before."""

    @wraps(handler)
    def handle(session: Session, received: Told) -> set[UUID]:
        known = commands.append_to_log(session, envelopes=[envelope for _, envelope in received])
        handler(session, [told for told in received if told[1].id not in known])
        return known

    return handle


COUNTED: dict[type[Event], Callable[[Session, Told], None]] = {
    ProductCreated: on_products_told,
    ProductChanged: on_products_told,
    ProductPriceChanged: on_products_told,
    ProductDeleted: on_products_told,
    OrderPlaced: on_orders_settled,
    OrderCancelled: on_orders_settled,
}

BATCH_HANDLERS: dict[type[Event], BatchHandler] = {
    event: on_products_viewed if event in VIEWS else logged(COUNTED.get(event, on_anything))
    for event in SUBSCRIPTIONS["analytics"]
}
