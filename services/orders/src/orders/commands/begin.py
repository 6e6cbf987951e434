# SPDX-License-Identifier: Apache-2.0
"""How orders begin, and who holds those that are pending.

A pending order belongs to one holder at a time (``held_until``, ``fence``): the request that began
it, a retry with its key, or a sweep.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, literal_column, select, update
from sqlalchemy.orm import Session

from common import idempotency
from common.clock import utcnow
from common.db import database_clock
from common.idempotency import Answer, Claim, IdempotencyKeyReused, Key, Known
from common.identifiers import uuid7
from common.rows import CLOCK, insert_rows
from orders.commands.carts import take_cart
from orders.errors import BeingPlaced, EmptyOrder
from orders.models import Attempt, Base, Order

IS_LAPSED = "SELECT EXISTS (SELECT 1 FROM orders WHERE held_until < UTC_TIMESTAMP(6))"
"""Whether any pending order has gone without a holder."""
FIRST = 1
"""An order's version while it is pending."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a request wants its key to stand for.

    Attributes:
        fingerprint: SHA-256 of the request.
        lines: Units by product id; None orders the cart, which is marked as being ordered.
        expected_total: In minor units; catalog refuses another one.
    """

    key: Key
    fingerprint: bytes
    lines: Mapping[int, int] | None
    expected_total: int | None


Begun = Attempt | Answer | BeingPlaced | EmptyOrder | IdempotencyKeyReused


def begin_orders(
    session: Session, wishes: Sequence[Wish], *, currency: str, hold_seconds: float
) -> list[Begun]:
    """Promise to answer for these keys: pending orders, or what each was answered before.

    A key whose request died is taken over: the same order, the same lines, a new holder.

    Args:
        hold_seconds: So long nobody else may settle an order, by the database's clock.

    Returns:
        What came of each wish, in their order. ``BeingPlaced``: the key's order, or another one of
        the same cart, is being worked on. ``EmptyOrder``: the cart is. ``IdempotencyKeyReused``:
        the key came before with another request. None of these leaves a key behind.
    """
    claims = [
        Claim(key=wish.key, fingerprint=wish.fingerprint, reference=uuid7()) for wish in wishes
    ]
    before = idempotency.claim_all(session, claims)
    old = {c.reference: (c, known) for c, known in zip(claims, before, strict=True) if known}
    new = {c.reference: w for c, w in zip(claims, wishes, strict=True) if c.reference not in old}
    begun: dict[UUID, Begun] = {}
    if old:
        begun |= _go_on(session, old, hold_seconds)
    if new:
        begun |= _begin(session, new, currency=currency, hold_seconds=hold_seconds)
    return [begun[claim.reference] for claim in claims]


def _go_on(
    session: Session, old: Mapping[UUID, tuple[Claim, Known]], hold_seconds: float
) -> dict[UUID, Begun]:
    """What came of keys that were there before."""
    begun: dict[UUID, Begun] = {}
    open_orders = {known.reference for _, known in old.values() if known.answer is None}
    lapsed = _take_over(session, open_orders, hold_seconds) if open_orders else {}
    for number, (claim, known) in old.items():
        if known.fingerprint != claim.fingerprint:
            begun[number] = IdempotencyKeyReused()
        else:
            # Of the same key twice, one is the new holder.
            begun[number] = (
                known.answer or lapsed.pop(known.reference, None) or BeingPlaced(known.reference)
            )
    return begun


def _take_over(
    session: Session, order_ids: Collection[UUID], hold_seconds: float
) -> dict[UUID, Attempt]:
    # An order that is locked is being settled. It is not waited for: whoever settles it waits for
    # its key, which may be among those that we hold.
    query = (
        select(Order)
        .where(Order.id.in_(order_ids), Order.held_until < database_clock())
        .with_for_update(skip_locked=True)
    )
    return {order.id: _hold(session, order, hold_seconds) for order in session.scalars(query)}


def _begin(
    session: Session, wishes: Mapping[UUID, Wish], *, currency: str, hold_seconds: float
) -> dict[UUID, Begun]:
    begun = _attempts(session, wishes)
    attempts = [attempt for attempt in begun.values() if isinstance(attempt, Attempt)]
    idempotency.free_all(
        session, [wishes[number].key for number in begun.keys() - {a.order_id for a in attempts}]
    )
    if attempts:
        rows = [_row(attempt, currency) for attempt in attempts]
        held = {"held_until": _after(CLOCK, hold_seconds)}
        insert_rows(session, Base.metadata.tables["orders"], rows, computed=held)
    return begun


def _attempts(session: Session, wishes: Mapping[UUID, Wish]) -> dict[UUID, Begun]:
    begun: dict[UUID, Begun] = {}
    # Carts are locked in ascending order, as wherever there are several.
    for order_id, wish in sorted(wishes.items(), key=lambda item: item[1].key.owner_id):
        try:
            begun[order_id] = Attempt(
                order_id=order_id,
                key=wish.key,
                fence=1,
                lines=_lines(session, order_id, wish),
                expected_total=wish.expected_total,
                is_from_cart=wish.lines is None,
            )
        except (BeingPlaced, EmptyOrder) as refusal:
            begun[order_id] = refusal
    return begun


def _lines(session: Session, order_id: UUID, wish: Wish) -> dict[int, int]:
    if wish.lines is not None:
        return dict(wish.lines)
    return take_cart(session, customer_id=wish.key.owner_id, order_id=order_id)


def _row(attempt: Attempt, currency: str) -> dict[str, Any]:
    return {
        "id": attempt.order_id,
        "customer_id": attempt.key.owner_id,
        "status": "pending",
        "wanted": attempt.lines,
        "expected_total_minor": attempt.expected_total,
        "is_from_cart": attempt.is_from_cart,
        "currency": currency,
        "version": FIRST,
        "fence": attempt.fence,
        "idempotency_key": attempt.key.word,
        "created_at": utcnow(),
    }


def answer_likewise(
    session: Session, *, key: Key, fingerprint: bytes, order_id: UUID, answer: Answer
) -> None:
    """Let *key* stand for an order that another key's request placed.

    So a double click with two keys can be repeated with either. A key that is answered stays so.

    Raises:
        IdempotencyKeyReused: The key came before with another request.
    """
    claim = Claim(key=key, fingerprint=fingerprint, reference=order_id)
    [known] = idempotency.claim_all(session, [claim])
    if known is None:
        idempotency.finish_all(session, {key: answer})
    else:
        known.must_match(fingerprint)


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


def _hold(session: Session, order: Order, seconds: float) -> Attempt:
    fence = order.fence + 1
    hold = update(Order).where(Order.id == order.id)
    until: ColumnElement[Any] = literal_column(_after(CLOCK, seconds))
    held = hold.values(fence=fence, held_until=until)
    session.execute(held, execution_options={"synchronize_session": False})
    return order.attempt(fence=fence)


def _after(moment: str, seconds: float) -> str:
    return f"TIMESTAMPADD(MICROSECOND, {int(seconds * 1_000_000)}, {moment})"
