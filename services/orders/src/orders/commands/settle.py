# SPDX-License-Identifier: Apache-2.0
"""How orders end. Between beginning and end, nobody holds a transaction.

Every way to settle an order is the same conditional update, so that of all holders that ever were
exactly one settles it, and its event goes out with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from common import idempotency, outbox
from common.contracts import OrderRejected
from common.events import Envelope
from common.idempotency import Answer
from common.rows import insert_rows, update_rows
from orders import events
from orders.commands.carts import return_cart
from orders.models import Attempt, Base, Standing, StandingItem

SETTLED = 2
"""An order's version once it is confirmed or rejected."""
UNAVAILABLE = "unavailable"


class Contested(Exception):
    """Of several orders some are no longer their holder's; each must be tried on its own."""


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """How an attempt ends. It is made where its request is worked on: its event tells who asked.

    Attributes:
        order: As it shall stand; None where it is rejected.
        reason: Why it is rejected.
        answer: What the customer gets now, and again for the same key; None frees the key.
        event: What the world is told, if anything.
    """

    attempt: Attempt
    order: Standing | None = None
    reason: str | None = None
    answer: Answer | None = None
    event: Envelope | None = None


def confirmed(attempt: Attempt, order: Standing, answer: Answer) -> Settlement:
    """The order stands: ``OrderPlaced``. What was ordered from the cart leaves it."""
    event = Envelope.seal(events.outcome_of(order), aggregate_version=SETTLED)
    return Settlement(attempt=attempt, order=order, answer=answer, event=event)


def refused(attempt: Attempt, *, reason: str, answer: Answer) -> Settlement:
    """Catalog refused: the order will not stand, and the refusal is the key's answer.

    Nobody is told: catalog holds nothing, and knows.
    """
    return Settlement(attempt=attempt, reason=reason, answer=answer)


def abandoned(attempt: Attempt) -> Settlement:
    """Nobody knows whether stock is held: the order ends and its key is free.

    ``OrderRejected`` releases a reservation that did happen, and one that comes later meets its
    tombstone. So the key may start anew, with another order.
    """
    rejected = OrderRejected(order_id=str(attempt.order_id), reason=UNAVAILABLE)
    event = Envelope.seal(rejected, aggregate_version=SETTLED)
    return Settlement(attempt=attempt, reason=UNAVAILABLE, event=event)


def settle_orders(session: Session, settlements: Sequence[Settlement]) -> list[bool]:
    """End these orders. False, with nothing done, where a holder lost its order or it ended.

    Raises:
        Contested: That is so for some of several, and nothing was done.

    Effects:
        Locks the orders, their keys and the carts that they came from, each in ascending order.
        Appends the events.
    """
    if _settle(session, settlements) < len(settlements):
        if len(settlements) > 1:
            raise Contested
        return [False]
    _add_items(session, settlements)
    _answer(session, settlements)
    _return_carts(session, settlements)
    told = [settlement.event for settlement in settlements if settlement.event is not None]
    outbox.append_all(session, told)
    return [True] * len(settlements)


def _settle(session: Session, settlements: Sequence[Settlement]) -> int:
    """Settle each order that is still pending and still this holder's; returns how many."""
    return update_rows(
        session,
        Base.metadata.tables["orders"],
        [_outcome(settlement) for settlement in settlements],
        keys=["id"],
        still=["fence"],
        formulas={"currency": "COALESCE({}, currency)"},
        also=f"held_until = NULL, version = {SETTLED}",
        where="status = 'pending'",
    )


def _outcome(settlement: Settlement) -> dict[str, Any]:
    order = settlement.order
    return {
        "id": settlement.attempt.order_id,
        "fence": settlement.attempt.fence,
        "status": "rejected" if order is None else "confirmed",
        "reason": settlement.reason,
        "total_minor": order and order.total_minor,
        "currency": order and order.currency,
        "placed_at": order and order.placed_at,
    }


def _add_items(session: Session, settlements: Sequence[Settlement]) -> None:
    orders = [settlement.order for settlement in settlements if settlement.order is not None]
    rows = [_row(item) for order in orders for item in order.items]
    if rows:
        insert_rows(session, Base.metadata.tables["order_items"], rows)


def _row(item: StandingItem) -> dict[str, Any]:
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


def _answer(session: Session, settlements: Sequence[Settlement]) -> None:
    answers = {s.attempt.key: s.answer for s in settlements if s.answer is not None}
    idempotency.finish_all(session, answers)
    idempotency.free_all(session, [s.attempt.key for s in settlements if s.answer is None])


def _return_carts(session: Session, settlements: Sequence[Settlement]) -> None:
    for settlement in sorted(settlements, key=lambda one: one.attempt.key.owner_id):
        attempt = settlement.attempt
        if attempt.is_from_cart:
            return_cart(
                session,
                customer_id=attempt.key.owner_id,
                order_id=attempt.order_id,
                taken=attempt.lines if settlement.order else {},
            )
