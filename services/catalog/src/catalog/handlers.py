# SPDX-License-Identifier: Apache-2.0
"""What catalog does when orders says what became of an order. All may come twice, in any order."""

from uuid import UUID

from sqlalchemy.orm import Session

from catalog.commands.reservations import (
    cancel_reservation,
    release_reservation,
    sell_reservation,
)
from common.contracts import OrderCancelled, OrderPlaced, OrderRejected
from common.events import Envelope, Event
from common.subscriber import Handler


def on_order_placed(session: Session, event: OrderPlaced, _envelope: Envelope) -> None:
    sell_reservation(session, order_id=UUID(event.order_id))


def on_order_cancelled(session: Session, event: OrderCancelled, _envelope: Envelope) -> None:
    cancel_reservation(session, order_id=UUID(event.order_id))


def on_order_rejected(session: Session, event: OrderRejected, _envelope: Envelope) -> None:
    release_reservation(session, order_id=UUID(event.order_id))


HANDLERS: dict[type[Event], Handler] = {
    OrderPlaced: on_order_placed,
    OrderCancelled: on_order_cancelled,
    OrderRejected: on_order_rejected,
}
