# SPDX-License-Identifier: Apache-2.0
"""How an order begins and how it ends. Between the two, nobody holds a transaction.

A pending order belongs to one holder at a time (``held_until``, ``fence``): the request that began
it, a retry with its key, or a sweep. Every way to settle it is one conditional update, so that of
all holders that ever were exactly one settles it, and its event goes out with it.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, CursorResult, func, insert, select, text, update
from sqlalchemy.orm import Session, selectinload

from common import idempotency, outbox
from common.clock import utcnow
from common.contracts import OrderRejected
from common.db import database_clock
from common.idempotency import Answer, Key
from common.identifiers import uuid7
from orders import events
from orders.commands.carts import return_cart, take_cart
from orders.errors import BeingPlaced, OrderNotFound
from orders.models import NOBODY, Attempt, Order, OrderItem

FIRST, SETTLED = 1, 2
"""An order's version while it is pending, and once it is confirmed or rejected."""
UNKNOWN = "unknown"
UNAVAILABLE = "unavailable"


def begin_order(
    session: Session,
    *,
    key: Key,
    fingerprint: bytes,
    lines: Mapping[int, int] | None,
    expected_total: int | None,
    currency: str,
    hold_seconds: float,
) -> Attempt | Answer:
    """Promise to answer for this key: a pending order, or what it was answered before.

    A key whose request died is taken over: the same order, the same lines, a new holder.

    Args:
        lines: Units by product id; None orders the cart, which is marked as being ordered.
        hold_seconds: So long nobody else may settle the order, by the database's clock.

    Raises:
        IdempotencyKeyReused: The key came before with another request.
        BeingPlaced: Its order, or another one of the same cart, is being worked on.
        EmptyOrder: The cart is empty.
    """
    order_id = uuid7()
    known = idempotency.claim(session, key, fingerprint=fingerprint, reference=order_id)
    if known is not None:
        return known.answer or _take_over(session, known.reference, hold_seconds)
    is_from_cart = lines is None
    if lines is None:
        lines = take_cart(session, customer_id=key.owner_id, order_id=order_id)
    order = Order(
        id=order_id,
        customer_id=key.owner_id,
        status="pending",
        wanted=dict(lines),
        expected_total_minor=expected_total,
        is_from_cart=is_from_cart,
        currency=currency,
        version=FIRST,
        fence=1,
        held_until=_from_now(hold_seconds),
        idempotency_key=key.word,
        created_at=utcnow(),
    )
    session.add(order)
    return order.attempt(fence=1)


def _take_over(session: Session, order_id: UUID, hold_seconds: float) -> Attempt:
    lapsed = Order.held_until < database_clock()
    query = select(Order).where(Order.id == order_id, lapsed).with_for_update()
    order = session.scalars(query).one_or_none()
    if order is None:
        raise BeingPlaced(order_id)
    return _hold(session, order, hold_seconds)


def answer_likewise(
    session: Session, *, key: Key, fingerprint: bytes, order_id: UUID, answer: Answer
) -> None:
    """Let *key* stand for an order that another key's request placed.

    So a double click with two keys can be repeated with either. A key that is answered stays so.

    Raises:
        IdempotencyKeyReused: The key came before with another request.
    """
    known = idempotency.claim(session, key, fingerprint=fingerprint, reference=order_id)
    if known is None:
        idempotency.finish(session, key, answer)


def take_over_lapsed(session: Session, *, hold_seconds: float) -> Attempt | None:
    """Become the holder of the pending order that has gone without one for longest, if any.

    Several sweeps may run at once: they never wait for each other, nor take the same order.
    """
    query = (
        select(Order)
        .where(Order.held_until < database_clock())
        .order_by(Order.held_until)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    order = session.scalars(query).one_or_none()
    return None if order is None else _hold(session, order, hold_seconds)


def confirm_order(session: Session, *, attempt: Attempt, order: Order, answer: Answer) -> bool:
    """The order stands. Returns False, with nothing done, when its holder lost it or it ended.

    Args:
        order: The order as it shall stand, with its items; not of any session.
        answer: What the customer gets now, and again for the same key.

    Effects:
        Appends ``OrderPlaced``; takes out of the cart what was ordered from it.
    """
    values = {
        "total_minor": order.total_minor,
        "currency": order.currency,
        "placed_at": order.placed_at,
    }
    if not _settle(session, attempt, status="confirmed", **values):
        return False
    session.execute(insert(OrderItem), [_row(item) for item in order.items])
    _end(session, attempt, answer, taken=attempt.lines)
    outbox.append(session, events.outcome_of(order), version=SETTLED)
    return True


def refuse_order(session: Session, *, attempt: Attempt, reason: str, answer: Answer) -> bool:
    """Catalog refused: the order will not stand, and the refusal is the key's answer.

    Nobody is told: catalog holds nothing, and knows. Returns False as above.
    """
    if not _settle(session, attempt, status="rejected", reason=reason):
        return False
    _end(session, attempt, answer, taken={})
    return True


def abandon_order(session: Session, *, attempt: Attempt) -> bool:
    """Nobody knows whether stock is held: end the order and free its key. Returns False as above.

    Effects:
        Appends ``OrderRejected``: a reservation that did happen is released, and one that comes
        later meets its tombstone. So the key may start anew, with another order.
    """
    if not _settle(session, attempt, status="rejected", reason=UNAVAILABLE):
        return False
    _end(session, attempt, None, taken={})
    _tell_rejected(session, attempt.order_id, UNAVAILABLE)
    return True


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
        _tell_rejected(session, order_id, UNKNOWN)
    elif order.status != "pending":
        outbox.append(session, events.outcome_of(order), version=order.version)


def lock_order(session: Session, order_id: UUID) -> Order | None:
    """The order with its items, locked and read anew."""
    query = select(Order).where(Order.id == order_id).with_for_update()
    fresh = query.options(selectinload(Order.items)).execution_options(populate_existing=True)
    return session.scalars(fresh).one_or_none()


def _hold(session: Session, order: Order, seconds: float) -> Attempt:
    fence = order.fence + 1
    hold = update(Order).where(Order.id == order.id)
    session.execute(hold.values(fence=fence, held_until=_from_now(seconds)), execution_options=FAST)
    return order.attempt(fence=fence)


def _settle(session: Session, attempt: Attempt, **values: Any) -> bool:
    """Settle the order if it is still pending and still this holder's, under its row lock."""
    settle = (
        update(Order)
        .where(
            Order.id == attempt.order_id,
            Order.status == "pending",
            Order.fence == attempt.fence,
        )
        .values(held_until=None, version=SETTLED, **values)
    )
    done: CursorResult[Any] = session.connection().execute(settle, execution_options=FAST)
    return done.rowcount == 1


def _end(
    session: Session, attempt: Attempt, answer: Answer | None, *, taken: Mapping[int, int]
) -> None:
    if attempt.is_from_cart:
        return_cart(
            session,
            customer_id=attempt.key.owner_id,
            order_id=attempt.order_id,
            taken=taken,
        )
    if answer is None:
        idempotency.free(session, attempt.key)
    else:
        idempotency.finish(session, attempt.key, answer)


def _tell_rejected(session: Session, order_id: UUID, reason: str) -> None:
    outbox.append(session, OrderRejected(order_id=str(order_id), reason=reason), version=SETTLED)


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


def _row(item: OrderItem) -> dict[str, Any]:
    return {
        "order_id": item.order_id,
        "product_id": item.product_id,
        "customer_id": item.customer_id,
        "sku": item.sku,
        "name": item.name,
        "quantity": item.quantity,
        "unit_price_minor": item.unit_price_minor,
        "is_sold": True,
    }


def _from_now(seconds: float) -> ColumnElement[Any]:
    microseconds = int(seconds * 1_000_000)
    return func.timestampadd(text("MICROSECOND"), microseconds, database_clock())


FAST: dict[str, Any] = {"synchronize_session": False}
