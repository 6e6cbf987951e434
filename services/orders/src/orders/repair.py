# SPDX-License-Identifier: Apache-2.0
"""What of broken orders can be put right, and what a person must decide."""

from dataclasses import replace
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from common import idempotency, outbox
from common.context import current_trace, traced
from common.contracts import OrderCancelled, OrderPlaced
from common.db import Database
from common.idempotency import Key
from common.money import to_text
from common.outbox import outbox_messages
from common.repairs import Change, Outcome, Rule, Unprovable, repair_all
from orders import audit, events
from orders.commands.orders import lock_order, tell_outcome
from orders.commands.settle import SETTLED
from orders.config import Config
from orders.models import Order

REPAIR = "repair"
"""What causes an event that is told again: whoever asks why finds the line in ``repairs``."""
STANDS = {"confirmed": SETTLED, "cancelled": SETTLED + 1}
"""The versions of orders that stand or stood: a second witness of what became of them."""


DUE: dict[type[OrderPlaced] | type[OrderCancelled], set[str]] = {
    OrderPlaced: {"confirmed", "cancelled"},
    OrderCancelled: {"cancelled"},
}


def correct_total(session: Session, subject: str) -> Change | None:
    """Let an order cost what its items cost, where its customer was told so."""
    order = _lock(session, subject)
    total = sum(item.subtotal_minor for item in order.items)
    if order.total_minor is None or total == order.total_minor:
        return None
    if _answered_total(session, order) != to_text(total):
        raise Unprovable(
            "its items are not what the customer was told: compare it with its timeline and with "
            "catalog's reservation"
        )
    change = Change(was=f"costs {to_text(order.total_minor)}", became=f"costs {to_text(total)}")
    order.total_minor = total
    return change


def mark_items(session: Session, subject: str) -> Change | None:
    """Let items count as sold while their order stands, where its version agrees with its status.

    A cancellation raises the version, so that a status which was changed alone is seen.
    """
    order = _lock(session, subject)
    is_sold = order.status == "confirmed"
    wrong = [item for item in order.items if item.is_sold != is_sold]
    if not wrong:
        return None
    if STANDS.get(order.status) != order.version:
        raise Unprovable(
            f"is {order.status} in version {order.version}, which do not fit: its timeline tells "
            "what became of it"
        )
    for item in wrong:
        item.is_sold = is_sold
    products = [item.product_id for item in wrong]
    return Change(was=f"is_sold={not is_sold} for products {products}", became=f"is_sold={is_sold}")


def tell_last_word(session: Session, subject: str) -> Change | None:
    """Tell again what became of an order; one that nobody knows is rejected for ever."""
    order_id = _order_id(subject)
    order = lock_order(session, order_id)
    if order is not None and order.status == "pending":
        raise Unprovable("is still pending: the sweep settles it while orders' worker runs")
    kind = events.outcome_of(order).type() if order else "OrderRejected"
    _must_not_wait(session, subject, kind)
    with traced(replace(current_trace(), causation_id=REPAIR)):
        tell_outcome(session, order_id=order_id)
    return _told(kind)


def tell_placed(session: Session, subject: str) -> Change | None:
    """Tell again that an order was placed, also when it was cancelled since; None: it was not."""
    return _tell(session, subject, OrderPlaced)


def tell_cancelled(session: Session, subject: str) -> Change | None:
    return _tell(session, subject, OrderCancelled)


def _tell(
    session: Session, subject: str, kind: type[OrderPlaced] | type[OrderCancelled]
) -> Change | None:
    order = _lock(session, subject)
    if order.status not in DUE[kind]:
        return None
    _must_not_wait(session, subject, kind.type())
    version = SETTLED if kind is OrderPlaced else order.version
    with traced(replace(current_trace(), causation_id=REPAIR)):
        outbox.append(session, events.told_of(order, kind), version=version)
    return _told(kind.type())


def _told(kind: str) -> Change:
    return Change(was=f"{kind} was not heard", became=f"{kind} is told again")


def _must_not_wait(session: Session, subject: str, kind: str) -> None:
    waiting = outbox_messages.c
    query = select(waiting.seq).where(waiting.subject == subject, waiting.type == kind).limit(1)
    if session.scalar(query) is not None:
        raise Unprovable(f"{kind} waits in the outbox: see why the relay does not get rid of it")


def _answered_total(session: Session, order: Order) -> str | None:
    """What the order's customer was told that it costs, as long as that is remembered."""
    if order.idempotency_key is None:
        return None
    key = Key(owner_id=order.customer_id, word=order.idempotency_key)
    known = idempotency.find(session, key)
    if known is None or known.reference != order.id or known.answer is None:
        return None
    total: str | None = orjson.loads(known.answer.body).get("total")
    return total


def _lock(session: Session, subject: str) -> Order:
    order = lock_order(session, _order_id(subject))
    if order is None:
        raise Unprovable("there is no such order: look for it in a backup and in the event log")
    return order


def _order_id(subject: str) -> UUID:
    try:
        return UUID(subject.removeprefix("order/"))
    except ValueError as error:
        raise Unprovable("no order has such a number: somebody wrote it by hand") from error


RULES = {
    "orders.totals_add_up": Rule(invariant=audit.totals_add_up, repair=correct_total),
    "orders.items_follow_their_order": Rule(
        invariant=audit.items_follow_their_order, repair=mark_items
    ),
    "orders.nothing_stays_pending": Rule(
        invariant=audit.nothing_stays_pending,
        advice="the sweep settles it: see whether orders' worker runs and catalog answers",
    ),
    "orders.answers_are_kept": Rule(
        invariant=audit.answers_are_kept,
        advice="look for the order in the event log, and call the customer",
    ),
}
TELLINGS = {None: tell_last_word, "OrderPlaced": tell_placed, "OrderCancelled": tell_cancelled}
"""What analytics, who knows what was heard, may ask to be told again."""


def repair(_config: Config, database: Database, *, apply: bool) -> list[Outcome]:
    """What ``python -m orders repair`` does."""
    return repair_all(database, RULES, apply=apply)
