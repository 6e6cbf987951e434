# SPDX-License-Identifier: Apache-2.0
"""What analytics does about each event. All of them are written down; some also count.

Handlers may run twice and in any order. Once an event is in the log it is never taken in again, so
that holds even when the inbox has forgotten it.
"""

from collections.abc import Sequence
from functools import wraps
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from analytics import commands
from analytics.commands import Line, NewView
from common.contracts import (
    SUBSCRIPTIONS,
    Event,
    OrderCancelled,
    OrderPlaced,
    ProductChanged,
    ProductCreated,
    ProductDeleted,
    ProductPriceChanged,
    ProductViewed,
)
from common.events import Envelope
from common.subscriber import BatchHandler, Handler


def on_product_created(session: Session, event: ProductCreated, envelope: Envelope) -> None:
    change = event.changes.get("public_id")
    _learn(session, event, envelope, public_id=change.new if change else None)


def on_product_changed(
    session: Session, event: ProductChanged | ProductPriceChanged, envelope: Envelope
) -> None:
    _learn(session, event, envelope)


def on_product_deleted(session: Session, event: ProductDeleted, envelope: Envelope) -> None:
    change = event.changes.get("public_id")
    _learn(session, event, envelope, public_id=change.old if change else None, is_deleted=True)


def _learn(
    session: Session,
    event: ProductCreated | ProductChanged | ProductPriceChanged | ProductDeleted,
    envelope: Envelope,
    *,
    public_id: str | None = None,
    is_deleted: bool = False,
) -> None:
    commands.learn_product(
        session,
        product_id=event.product_id,
        version=envelope.aggregateversion,
        sku=event.sku,
        name=event.name,
        seller_id=event.seller_id,
        public_id=public_id,
        is_deleted=is_deleted,
    )


def on_order_placed(session: Session, event: OrderPlaced, envelope: Envelope) -> None:
    _record(session, event, envelope, is_cancelled=False)


def on_order_cancelled(session: Session, event: OrderCancelled, envelope: Envelope) -> None:
    _record(session, event, envelope, is_cancelled=True)


def _record(
    session: Session,
    event: OrderPlaced | OrderCancelled,
    envelope: Envelope,
    *,
    is_cancelled: bool,
) -> None:
    lines = [
        Line(product_id=item.product_id, quantity=item.quantity, unit_price=item.unit_price)
        for item in event.items
    ]
    commands.record_order(
        session,
        order_id=event.order_id,
        lines=lines,
        at=envelope.time,
        is_cancelled=is_cancelled,
    )


def on_products_viewed(
    session: Session, received: Sequence[tuple[ProductViewed, Envelope]]
) -> set[UUID]:
    views = [
        NewView(
            at=envelope.time,
            event_id=envelope.id,
            product_id=event.product_id,
            viewer_id=event.viewer_id,
            session=event.session,
            status=event.status,
        )
        for event, envelope in received
    ]
    return commands.record_views(session, views=views)


def on_anything(_session: Session, _event: Event, _envelope: Envelope) -> None:
    """The log is all that wants to know."""


def logged(handler: Handler) -> Handler:
    """Write the event down first, and leave it at that where it has been written down before."""

    @wraps(handler)
    def handle(session: Session, event: Any, envelope: Envelope) -> None:
        if commands.append_to_log(session, envelope=envelope):
            handler(session, event, envelope)

    return handle


COUNTED: dict[type[Event], Handler] = {
    ProductCreated: on_product_created,
    ProductChanged: on_product_changed,
    ProductPriceChanged: on_product_changed,
    ProductDeleted: on_product_deleted,
    OrderPlaced: on_order_placed,
    OrderCancelled: on_order_cancelled,
}

BATCH_HANDLERS: dict[type[Event], BatchHandler] = {ProductViewed: on_products_viewed}

HANDLERS: dict[type[Event], Handler] = {
    event: logged(COUNTED.get(event, on_anything))
    for event in SUBSCRIPTIONS["analytics"]
    if event not in BATCH_HANDLERS
}
