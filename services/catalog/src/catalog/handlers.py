# SPDX-License-Identifier: Apache-2.0
"""What catalog does when orders says what became of an order. All may come twice, in any order."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from catalog.commands.reservations import (
    cancel_reservation,
    release_reservation,
    sell_reservations,
)
from common.contracts import OrderCancelled, OrderPlaced, OrderRejected
from common.events import Envelope, Event
from common.subscriber import BatchHandler, Handler


def on_orders_placed(
    session: Session, received: Sequence[tuple[OrderPlaced, Envelope]]
) -> set[UUID]:
    told: dict[UUID, Envelope] = {}
    for event, envelope in received:
        told.setdefault(UUID(event.order_id), envelope)
    sold = sell_reservations(session, {order: told[order].as_cause() for order in told})
    return {envelope.id for _, envelope in received} - {told[order].id for order in sold}


def on_order_cancelled(session: Session, event: OrderCancelled, _envelope: Envelope) -> None:
    cancel_reservation(session, order_id=UUID(event.order_id))


def on_order_rejected(session: Session, event: OrderRejected, _envelope: Envelope) -> None:
    release_reservation(session, order_id=UUID(event.order_id))


BATCH_HANDLERS: dict[type[Event], BatchHandler] = {OrderPlaced: on_orders_placed}

HANDLERS: dict[type[Event], Handler] = {
    OrderCancelled: on_order_cancelled,
    OrderRejected: on_order_rejected,
}
