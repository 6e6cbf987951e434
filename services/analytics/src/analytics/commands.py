# SPDX-License-Identifier: Apache-2.0
"""State changes: one function = one transaction, or a part of the one that handles a batch.

Counters move in the same transaction as the rows that they count, and only by what really changed.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from analytics import queries
from analytics.errors import DayClosed
from analytics.models import (
    CANCELLED,
    PLACED,
    Base,
    LoggedEvent,
    Product,
    ProductMinute,
    Sale,
    View,
)
from common.db import DUPLICATE_KEY, error_number
from common.events import Envelope
from common.rows import insert_columns, insert_rows

# The tables, not the classes: those would make the text of a long statement anew each time.
VIEWS = Base.metadata.tables["views"]
SALES = Base.metadata.tables["sales"]
LOG = Base.metadata.tables["event_log"]
MINUTES = Base.metadata.tables["product_minutes"]
METRICS = ("views", "orders", "units", "revenue")
MOST_VIEWS = 4000
LOGGED_AT_ONCE = 50
"""So many are one statement at most. An event may have 100 kB, and MariaDB takes 16 MB at once."""
# MySQL has a newer word for it, which MariaDB does not know.
GROWN = ", ".join(f"{name} = {name} + VALUES({name})" for name in METRICS)


class NewView(NamedTuple):
    """A view as it was told, with its time in UTC."""

    at: datetime
    event_id: UUID
    product_id: int
    viewer_id: int | None
    session: str
    status: int


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of an order; *unit_price* in minor units."""

    product_id: int
    quantity: int
    unit_price: int


@dataclass(frozen=True, kw_only=True)
class Order:
    """What was told about an order.

    Attributes:
        at: When it happened. The earliest time of all that is told about an order counts.
    """

    order_id: str
    lines: Sequence[Line]
    at: datetime
    is_cancelled: bool


@dataclass(kw_only=True)
class Count:
    """What is added to one product's minute, or taken back from it."""

    views: int = 0
    orders: int = 0
    units: int = 0
    revenue: int = 0


Counts = Mapping[tuple[datetime, int], Count]
"""By minute and product id."""


def append_to_log(session: Session, *, envelopes: Sequence[Envelope]) -> set[UUID]:
    """Write those events down that are not yet; returns the ids of the others."""
    known: set[UUID] = set()
    for first in range(0, len(envelopes), LOGGED_AT_ONCE):
        known |= _append(session, envelopes[first : first + LOGGED_AT_ONCE])
    return known


def _append(session: Session, envelopes: Sequence[Envelope]) -> set[UUID]:
    # Nearly always all of them are new, so that is not asked first.
    known: set[UUID] = set()
    try:
        insert_rows(session, LOG, [_logged(envelope) for envelope in envelopes])
    except IntegrityError as error:
        if error_number(error) != DUPLICATE_KEY:
            raise
        ids = [envelope.id for envelope in envelopes]
        query = select(LoggedEvent.event_id).where(LoggedEvent.event_id.in_(ids))
        known = set(session.scalars(query))
        new = [_logged(envelope) for envelope in envelopes if envelope.id not in known]
        if new:
            insert_rows(session, LOG, new)
    return known


def _logged(envelope: Envelope) -> dict[str, Any]:
    return {
        "event_id": envelope.id,
        "source": envelope.source,
        "type": envelope.type,
        "version": envelope.dataschemaversion,
        "subject": envelope.subject,
        "aggregate_version": envelope.aggregateversion,
        "time": envelope.time,
        "correlation_id": envelope.correlationid,
        "causation_id": envelope.causationid,
        "actor": envelope.actor,
        "body": envelope.to_json(),
    }


def record_views(session: Session, *, views: Iterable[NewView]) -> set[UUID]:
    """Store and count those *views* that are not stored yet; returns the ids of the others.

    A few statements, however many views. Nearly always all of them are new: so they are stored
    without asking first, and only where one is known all are asked for.

    Raises:
        DayClosed: A view that is not stored is older than those that are kept. Whether it was
            counted before its day was dropped nobody knows any more.
    """
    told = {(view.at, view.event_id): view for view in views}
    assert len(told) <= MOST_VIEWS
    known: set[tuple[datetime, UUID]] = set()
    try:
        # A statement that fails leaves nothing behind, so there is no savepoint: a deadlock would
        # take it away, and then to go back to it is an error of which nobody knows the cause.
        _store(session, told)
    except IntegrityError as error:
        if error_number(error) != DUPLICATE_KEY:
            raise
        known = _stored(session, told)
        told = {key: view for key, view in told.items() if key not in known}
        _store(session, told)
    _must_be_kept(session, told.values())
    # By the number of the minute: a datetime for each view costs more than all else about it.
    seen = Counter((view.at.timestamp() // 60, view.product_id) for view in told.values())
    counts = {
        (datetime.fromtimestamp(60 * minute, UTC), product_id): Count(views=number)
        for (minute, product_id), number in seen.items()
    }
    add_counts(session, counts)
    return {event_id for _, event_id in known}


def _store(session: Session, views: Mapping[tuple[datetime, UUID], NewView]) -> None:
    # In the order of the key, so that two workers wait for each other in one direction only.
    columns = zip(*(views[key] for key in sorted(views)), strict=True)
    if views:
        insert_columns(session, VIEWS, dict(zip(NewView._fields, columns, strict=True)))


def _must_be_kept(session: Session, views: Collection[NewView]) -> None:
    # Asked when they are stored already: from then on no day is dropped until this commits.
    since = queries.views_since(session)
    if since and any(view.at < since for view in views):
        raise DayClosed(f"views are kept since {since:%Y-%m-%d}")


def _stored(
    session: Session, keys: Collection[tuple[datetime, UUID]]
) -> set[tuple[datetime, UUID]]:
    query = select(View.at, View.event_id).where(tuple_(View.at, View.event_id).in_(keys))
    return {(row.at, row.event_id) for row in session.execute(query)}


def record_orders(session: Session, *, orders: Sequence[Order]) -> None:
    """Take in that orders were placed or cancelled, in whatever order and however often told.

    Those that nobody has told of before are taken in together.

    Effects:
        Locks the orders' sales and their products' minutes.
    """
    ids = [order.order_id for order in orders]
    known = set(session.scalars(select(Sale.order_id).where(Sale.order_id.in_(ids)).distinct()))
    new = {one.order_id: one for one in reversed(orders) if one.order_id not in known}
    rows = [
        {"order_id": one.order_id, "line": number, "at": one.at, "status": _status(one)}
        | vars(line)
        for one in new.values()
        for number, line in enumerate(one.lines, start=1)
    ]
    if rows:
        insert_rows(session, SALES, rows)
        placed = [(one.at, one.lines) for one in new.values() if not one.is_cancelled]
        add_counts(session, _counted(placed))
    for order in orders:
        if new.get(order.order_id) is not order:
            record_order(session, order)


def _status(order: Order) -> str:
    return CANCELLED if order.is_cancelled else PLACED


def record_order(session: Session, order: Order) -> None:
    """Take in what was told about an order, of which something else may have been told before.

    Effects:
        Locks the order's sales, then its products' minutes.
    """
    query = select(Sale).where(Sale.order_id == order.order_id).order_by(Sale.line)
    locked = query.with_for_update().execution_options(populate_existing=True)
    sales = list(session.scalars(locked))
    before = _counted(_placed(sales))
    if sales:
        for sale in sales:
            sale.learn(at=order.at, status=_status(order))
    else:
        sales = [
            Sale(
                order_id=order.order_id,
                line=number,
                at=order.at,
                status=_status(order),
                **vars(line),
            )
            for number, line in enumerate(order.lines, start=1)
        ]
        session.add_all(sales)
    session.flush()
    after = _counted(_placed(sales))
    if after != before:
        _take_back(session, before)
        add_counts(session, after)


def learn_product(
    session: Session,
    *,
    product_id: int,
    version: int,
    sku: str | None,
    name: str,
    seller_id: int,
    public_id: str | None = None,
    is_deleted: bool = False,
) -> Product:
    """Take in news of a product; older news than what is known only fill gaps.

    Args:
        public_id: It never changes, so it is good from news of any age.
        is_deleted: A product that is gone never comes back.
    """
    product = session.get(Product, product_id, with_for_update=True)
    if product is None:
        product = Product(id=product_id, version=version, is_deleted=False)
        session.add(product)
    product.learn(version=version, sku=sku, name=name, seller_id=seller_id)
    product.public_id = product.public_id or public_id
    product.is_deleted = product.is_deleted or is_deleted
    return product


def minute_of(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _placed(sales: Sequence[Sale]) -> list[tuple[datetime, Sequence[Sale]]]:
    return [(sales[0].at, sales)] if sales and sales[0].status == PLACED else []


def _counted(placed: Iterable[tuple[datetime, Sequence[Line | Sale]]]) -> Counts:
    """What orders that stand add to their products' minutes."""
    counts: defaultdict[tuple[datetime, int], Count] = defaultdict(Count)
    for at, lines in placed:
        minute = minute_of(at)
        for line in lines:
            count = counts[minute, line.product_id]
            count.units += line.quantity
            count.revenue += line.quantity * line.unit_price
        for product_id in {line.product_id for line in lines}:
            counts[minute, product_id].orders += 1  # two lines of one product are one order
    return counts


def add_counts(session: Session, counts: Counts) -> None:
    """Add to minutes, which are made where they are not there; all are locked after it."""
    if not counts:
        return
    # In the order of the key, so that two workers wait for each other in one direction only.
    rows = [
        {"minute": minute, "product_id": product_id, **vars(counts[minute, product_id])}
        for minute, product_id in sorted(counts)
    ]
    insert_rows(session, MINUTES, rows, also=f"ON DUPLICATE KEY UPDATE {GROWN}")


def _take_back(session: Session, counts: Counts) -> None:
    # Not by the same upsert: servers check a row's constraints before they see that it exists.
    for minute, product_id in sorted(counts):
        count = vars(counts[minute, product_id])
        session.execute(
            update(ProductMinute)
            .where(ProductMinute.minute == minute, ProductMinute.product_id == product_id)
            .values({name: getattr(ProductMinute, name) - count[name] for name in METRICS})
            .execution_options(synchronize_session=False)
        )
