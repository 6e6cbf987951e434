# SPDX-License-Identifier: Apache-2.0
"""What orders does about other services' events. Each may come twice, late, or out of order."""

from uuid import UUID

from sqlalchemy.orm import Session

from common.contracts import ReservationOverdue, UserChanged, UserDeleted, UserRegistered
from common.events import Envelope, Event
from common.subscriber import Handler
from orders.commands.customers import remember_customer
from orders.commands.orders import tell_outcome


def on_user_changed(
    session: Session, event: UserRegistered | UserChanged | UserDeleted, envelope: Envelope
) -> None:
    """Keep the customer as auth's newest word has it, whichever of the three it is."""
    remember_customer(
        session,
        customer_id=event.user_id,
        username=event.username,
        is_guest=event.guest,
        is_deleted=isinstance(event, UserDeleted),
        version=envelope.aggregateversion,
    )


def on_reservation_overdue(session: Session, event: ReservationOverdue, envelope: Envelope) -> None:
    """Say again what became of the order, so that no stock waits for ever."""
    del envelope
    tell_outcome(session, order_id=UUID(event.order_id))


HANDLERS: dict[type[Event], Handler] = {
    UserRegistered: on_user_changed,
    UserChanged: on_user_changed,
    UserDeleted: on_user_changed,
    ReservationOverdue: on_reservation_overdue,
}
