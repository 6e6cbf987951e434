# SPDX-License-Identifier: Apache-2.0
"""What becomes of an order that is settled; how one begins and ends is told beside."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from common import outbox
from common.clock import utcnow
from common.contracts import OrderRejected
from orders import events
from orders.commands.settle import SETTLED
from orders.errors import OrderNotFound
from orders.models import NOBODY, Order

UNKNOWN = "unknown"


def cancel_order(session: Session, *, order_id: UUID, customer_id: int | None) -> Order:
    """Take a standing order back; again it is the same cancelled order.

    Args:
        customer_id: Whose order it must be; None for an admin, who may cancel any.

    Raises:
        OrderNotFound: There is none, or it is somebody else's.
        InProgress, NotCancellable: It is not settled yet, or it never stood.

    Effects:
        Locks the order. Appends ``OrderCancelled``, once: its units go back to the shelf.
    """
    order = lock_order(session, order_id)
    if order is None or customer_id not in {None, order.customer_id}:
        raise OrderNotFound
    if order.cancel():
        for item in order.items:
            item.is_sold = False
        outbox.append(session, events.outcome_of(order), version=order.version)
    return order


def tell_outcome(session: Session, *, order_id: UUID) -> None:
    """Tell catalog again what became of an order that it holds stock for.

    An order that we never knew is rejected for ever, so that nothing confirms it later. A pending
    one is left to its holder and the sweep, which settle it and tell.

    Effects:
        Locks the order. Appends its last event again, with a new id.
    """
    order = lock_order(session, order_id)
    if order is None:
        session.add(_tombstone(order_id))
        told = OrderRejected(order_id=str(order_id), reason=UNKNOWN)
        outbox.append(session, told, version=SETTLED)
    elif order.status != "pending":
        outbox.append(session, events.outcome_of(order), version=order.version)


def lock_order(session: Session, order_id: UUID) -> Order | None:
    """The order with its items, locked and read anew."""
    query = select(Order).where(Order.id == order_id).with_for_update()
    fresh = query.options(selectinload(Order.items)).execution_options(populate_existing=True)
    return session.scalars(fresh).one_or_none()


def _tombstone(order_id: UUID) -> Order:
    return Order(
        id=order_id,
        customer_id=NOBODY,
        status="rejected",
        reason=UNKNOWN,
        wanted={},
        is_from_cart=False,
        currency="",
        version=SETTLED,
        fence=0,
        created_at=utcnow(),
    )
