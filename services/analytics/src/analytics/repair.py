# SPDX-License-Identifier: Apache-2.0
"""What of broken numbers can be counted anew, and what a person must decide."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from analytics import audit
from analytics.commands import Count, add_counts, minute_of
from analytics.models import CANCELLED, PLACED, LoggedEvent, ProductMinute, Sale, View
from common.audit import MOST_NAMED
from common.contracts import OrderCancelled, OrderPlaced
from common.db import Moment
from common.repairs import Change, Rule, Unprovable
from common.subscriber import read_message

MINUTE = timedelta(minutes=1)


class Counted(NamedTuple):
    """What a product's minutes count, and the rows that they count it from.

    Attributes:
        names: The counters.
        at: When each row happened.
        recount: The counters of a product's rows, by minute.
    """

    names: tuple[str, ...]
    at: Any
    recount: Callable[[int], Select[Any]]


def _recount_sales(product_id: int) -> Select[Any]:
    minute = _minute(Sale.at)
    return (
        select(
            minute,
            func.count(Sale.order_id.distinct()).label("orders"),
            func.sum(Sale.quantity).label("units"),
            func.sum(Sale.quantity * Sale.unit_price).label("revenue"),
        )
        .where(Sale.product_id == product_id, Sale.status != CANCELLED)
        .group_by(minute)
    )


def _recount_views(product_id: int) -> Select[Any]:
    minute = _minute(View.at)
    query = select(minute, func.count().label("views")).where(View.product_id == product_id)
    return query.group_by(minute)


def _minute(at: InstrumentedAttribute[datetime]) -> Any:
    start = func.date_format(at, "%Y-%m-%d %H:%i:00")
    return func.timestamp(start, type_=Moment).label("minute")


SALES = Counted(("orders", "units", "revenue"), Sale.at, _recount_sales)
VIEWS = Counted(("views",), View.at, _recount_views)


def count_sales(session: Session, subject: str) -> Change | None:
    """Let a product's minutes say what its sales say."""
    return _count(session, _product_id(subject), SALES)


def count_views(session: Session, subject: str) -> Change | None:
    """Let a product's minutes say what its views say, from the oldest that is still kept."""
    oldest = session.scalar(select(func.min(View.at)))
    if oldest is None:
        return None
    return _count(session, _product_id(subject), VIEWS, since=minute_of(oldest) + MINUTE)


def sell_as_told(session: Session, subject: str) -> Change | None:
    """Let an order's sales be what the event log says of it, and its products' minutes with them.

    Effects:
        Locks the order's sales, then its products' minutes.
    """
    order_id = subject.removeprefix("order/")
    query = select(Sale).where(Sale.order_id == order_id).order_by(Sale.line).with_for_update()
    known = list(session.scalars(query.execution_options(populate_existing=True)))
    told = _told(session, subject)
    if not told:
        raise Unprovable("nothing was told of it: once orders has told it again, this is right")
    was, became = _lines(known), _lines(told)
    if was == became:
        raise Unprovable("the numbers are what was told: compare the order with its timeline")
    products = {sale.product_id for sale in (*known, *told)}
    for sale in known:
        session.delete(sale)
    session.flush()
    session.add_all(told)
    session.flush()
    for product_id in sorted(products):
        _count(session, product_id, SALES)
    return Change(was=was, became=became)


def _told(session: Session, subject: str) -> list[Sale]:
    """The sales that the log's events about an order make."""
    kinds = (OrderPlaced.type(), OrderCancelled.type())
    query = select(LoggedEvent).where(LoggedEvent.subject == subject, LoggedEvent.type.in_(kinds))
    logged = list(session.scalars(query))
    events = [read_message(bytes(row.body))[1] for row in logged]
    settled = [event for event in events if isinstance(event, OrderPlaced | OrderCancelled)]
    if not settled:
        return []
    is_cancelled = any(isinstance(event, OrderCancelled) for event in settled)
    return [
        Sale(
            order_id=settled[0].order_id,
            line=number,
            product_id=line.product_id,
            quantity=line.quantity,
            unit_price=line.unit_price,
            at=min(row.time for row in logged),
            status=CANCELLED if is_cancelled else PLACED,
        )
        for number, line in enumerate(settled[0].items, start=1)
    ]


def _lines(sales: Iterable[Sale]) -> str:
    lines = (
        f"{one.quantity} of {one.product_id} for {one.unit_price}, {one.status}" for one in sales
    )
    return "; ".join(lines) or "no sales"


def _count(
    session: Session, product_id: int, counted: Counted, *, since: datetime | None = None
) -> Change | None:
    """Put the minutes right that differ from a recount, each with its row locked.

    Whoever adds a sale or a view writes it before it locks the minute, and commits both at once:
    what a recount under the lock does not see is added to the minute after it.
    """
    recount, none = counted.recount(product_id), (0,) * len(counted.names)
    wanted = {row.minute: _numbers(row, counted) for row in session.execute(recount)}
    minutes = select(ProductMinute).where(ProductMinute.product_id == product_id)
    known = {row.minute: _numbers(row, counted) for row in session.scalars(minutes)}
    was, became = [], []
    for minute in sorted(wanted.keys() | known.keys()):
        if wanted.get(minute, none) == known.get(minute, none) or (since and minute < since):
            continue
        row = _lock_minute(session, minute, product_id)
        fresh = recount.where(counted.at >= minute, counted.at < minute + MINUTE)
        found = session.execute(fresh).one_or_none()
        numbers = _numbers(found, counted) if found else none
        if (before := _numbers(row, counted)) != numbers:
            was.append(_shown(minute, counted, before))
            became.append(_shown(minute, counted, numbers))
            for name, number in zip(counted.names, numbers, strict=True):
                setattr(row, name, number)
    return Change(was=_first(was), became=_first(became)) if was else None


def _lock_minute(session: Session, minute: datetime, product_id: int) -> ProductMinute:
    # One that is not there yet is made first: only what is there can be locked.
    add_counts(session, {(minute, product_id): Count()})
    return session.get_one(
        ProductMinute, (minute, product_id), with_for_update=True, populate_existing=True
    )


def _numbers(row: Any, counted: Counted) -> tuple[int, ...]:
    return tuple(int(getattr(row, name)) for name in counted.names)


def _shown(minute: datetime, counted: Counted, numbers: tuple[int, ...]) -> str:
    said = (f"{name} {number}" for name, number in zip(counted.names, numbers, strict=True))
    return f"{minute:%Y-%m-%d %H:%M}: {', '.join(said)}"


def _first(minutes: list[str]) -> str:
    more = len(minutes) - MOST_NAMED
    return "; ".join(minutes[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _product_id(subject: str) -> int:
    return int(subject.removeprefix("product/"))


RULES = {
    "analytics.minutes_match_sales": Rule(invariant=audit.minutes_match_sales, repair=count_sales),
    "analytics.minutes_match_views": Rule(invariant=audit.minutes_match_views, repair=count_views),
    "analytics.events_are_told_once": Rule(
        invariant=audit.events_are_told_once,
        advice="the log is never changed: find out in its publisher's code and logs why",
    ),
    "analytics.log_is_unbroken": Rule(
        invariant=audit.log_is_unbroken,
        advice="somebody wrote into the log: compare it with a backup; it is never repaired here",
    ),
}
