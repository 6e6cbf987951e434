# SPDX-License-Identifier: Apache-2.0
"""What must always be true of orders. Reads only; each rule is one statement."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.orm import Session, selectinload

from common.audit import Invariant, Violation, broken
from common.db import database_clock
from common.idempotency import idempotency_keys
from orders.models import Order, OrderItem

SETTLED_WITHIN_SECONDS = 300
"""Far beyond what the sweeper needs for a pending order while catalog answers."""


def totals_add_up(session: Session) -> Iterable[Violation]:
    """An order that stands or stood costs what its items cost."""
    total = func.coalesce(func.sum(OrderItem.quantity * OrderItem.unit_price_minor), -1)
    query = (
        select(Order.id, Order.total_minor, total.label("total"))
        .outerjoin(OrderItem, OrderItem.order_id == Order.id)
        .where(Order.status.in_(("confirmed", "cancelled")))
        .group_by(Order.id, Order.total_minor)
        .having(total != Order.total_minor)
    )
    return broken(
        session.execute(query),
        lambda row: (f"order/{row.id}", f"costs {row.total_minor}, its items {row.total}"),
    )


def items_follow_their_order(session: Session) -> Iterable[Violation]:
    """Items count as sold exactly while their order stands."""
    stands = Order.status == "confirmed"
    query = (
        select(OrderItem.order_id, OrderItem.product_id, OrderItem.is_sold, Order.status)
        .join(Order, Order.id == OrderItem.order_id)
        .where(or_(and_(stands, ~OrderItem.is_sold), and_(~stands, OrderItem.is_sold)))
    )
    return broken(
        session.execute(query),
        lambda row: (
            f"order/{row.order_id}",
            f"is {row.status}, and product {row.product_id} in it says is_sold={row.is_sold}",
        ),
    )


def nothing_stays_pending(session: Session) -> Iterable[Violation]:
    """A pending order is settled soon, also when everybody who knew of it was killed."""
    then = func.timestampadd(text("SECOND"), -SETTLED_WITHIN_SECONDS, database_clock())
    query = select(Order.id, Order.held_until).where(Order.held_until < then)
    return broken(
        session.execute(query),
        lambda row: (f"order/{row.id}", f"is pending, and nobody holds it since {row.held_until}"),
    )


def answers_are_kept(session: Session) -> Iterable[Violation]:
    """A customer who was told that an order stands has that order."""
    keys = idempotency_keys.c
    query = (
        select(keys.reference, Order.status)
        .outerjoin(Order, Order.id == keys.reference)
        .where(
            keys.status == 201,  # noqa: PLR2004 - HTTP's "created"
            or_(Order.id.is_(None), Order.status.not_in(("confirmed", "cancelled"))),
        )
    )
    return broken(
        session.execute(query),
        lambda row: (f"order/{row.reference}", f"was promised, but is {row.status or 'gone'}"),
    )


INVARIANTS: dict[str, Invariant] = {
    "orders.totals_add_up": totals_add_up,
    "orders.items_follow_their_order": items_follow_their_order,
    "orders.nothing_stays_pending": nothing_stays_pending,
    "orders.answers_are_kept": answers_are_kept,
}


def list_orders(session: Session, *, after: UUID | None, limit: int) -> list[dict[str, object]]:
    """Orders of every status by id, from behind *after*: what others' data is compared with."""
    query = select(Order).options(selectinload(Order.items)).order_by(Order.id).limit(limit)
    if after is not None:
        query = query.where(Order.id > after)
    return [_shown(order) for order in session.scalars(query)]


def _shown(order: Order) -> dict[str, object]:
    return {
        "order_id": str(order.id),
        "status": order.status,
        "wanted": sorted(order.wanted.items()),
        "items": [[item.product_id, item.quantity, item.unit_price_minor] for item in order.items],
    }
