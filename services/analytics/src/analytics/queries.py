# SPDX-License-Identifier: Apache-2.0
"""Reads: never write, never lock."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Label,
    and_,
    case,
    distinct,
    func,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from analytics.errors import ProductNotFound
from analytics.models import LoggedEvent, LogHead, Product, ProductMinute, View, ViewHorizon
from analytics.windows import Window
from common.db import Moment

LARGEST_ID = 2**63 - 1
LONGEST_ID = len(str(LARGEST_ID))

Metric = Literal["views", "units", "revenue"]


@dataclass(kw_only=True)
class Figures:
    """What happened to a product; *revenue* in minor units."""

    views: int = 0
    unique_viewers: int = 0
    orders: int = 0
    units: int = 0
    revenue: int = 0


@dataclass(frozen=True, kw_only=True)
class Series:
    """One ``Figures`` for every bucket of a window, also for those in which nothing happened."""

    buckets: list[Figures]
    totals: Figures = field(default_factory=Figures)


def is_id(ref: str) -> bool:
    """Whether a reference is read as a product's id."""
    return ref.isascii() and ref.isdigit()


def read_id(ref: str) -> int | None:
    """The id that *ref* spells, None for one that no product can have."""
    # By its length first: Python refuses to read numbers of thousands of digits.
    return int(ref) if len(ref) <= LONGEST_ID and int(ref) <= LARGEST_ID else None


def product_by_ref(session: Session, ref: str) -> Product:
    """The product that *ref* names: digits are its id, else its public id, else its sku.

    A deleted product is found too, for its history stays; where a sku was given to another product
    since, the living one is meant.

    Raises:
        ProductNotFound: No event has told of one.
    """
    found = None
    if is_id(ref):
        found = session.get(Product, read_id(ref) or 0)
    elif ref.isascii():
        for column in (Product.public_id, Product.sku):
            query = select(Product).where(column == ref)
            found = found or session.scalar(
                query.order_by(Product.is_deleted, Product.id.desc()).limit(1)
            )
    if found is None:
        raise ProductNotFound
    return found


def product_series(session: Session, *, product_id: int, window: Window) -> Series:
    """What happened to a product, bucket by bucket, and in the whole window.

    Viewers are counted from the views themselves: distinct viewers of minutes do not add up to
    distinct viewers of an hour, and a late view must count in its own bucket. The index holds all
    that is asked for, so the cost grows with the product's views in the window and nothing else.
    """
    series = Series(buckets=[Figures() for _ in range(window.size)])
    for row in session.execute(_counters(product_id, window)):
        figures = series.buckets[row.bucket]
        for name in ("views", "orders", "units", "revenue"):
            setattr(figures, name, int(getattr(row, name)))
            setattr(series.totals, name, getattr(series.totals, name) + getattr(figures, name))
    viewed = _viewed(product_id, window)
    bucket = _bucket(View.at, window)
    for row in session.execute(select(bucket, _viewers()).where(viewed).group_by(bucket)):
        series.buckets[row.bucket].unique_viewers = row.viewers
    series.totals.unique_viewers = session.scalar(select(_viewers()).where(viewed)) or 0
    return series


def _counters(product_id: int, window: Window) -> Any:
    bucket = _bucket(ProductMinute.minute, window)
    sums = [
        func.sum(getattr(ProductMinute, name)).label(name)
        for name in ("views", "orders", "units", "revenue")
    ]
    return (
        select(bucket, *sums)
        .where(
            ProductMinute.product_id == product_id,
            ProductMinute.minute >= window.start,
            ProductMinute.minute < window.end,
        )
        .group_by(bucket)
    )


def _bucket(moment: InstrumentedAttribute[datetime], window: Window) -> Label[int]:
    """The number of the bucket in *window* that *moment* falls into."""
    start = literal(window.start, Moment)
    seconds = func.timestampdiff(text("SECOND"), start, moment, type_=Integer)
    # DIV, since both servers answer FLOOR(a / b) as a decimal.
    number = seconds.op("DIV", return_type=Integer())(int(window.width.total_seconds()))
    return number.label("bucket")


def _viewed(product_id: int, window: Window) -> ColumnElement[bool]:
    return and_(View.product_id == product_id, View.at >= window.start, View.at < window.end)


def _viewers() -> Label[int]:
    """How many different viewers: signed-in ones by their id, the others by their session."""
    anonymous = case((View.viewer_id.is_(None), View.session))
    return (func.count(distinct(View.viewer_id)) + func.count(distinct(anonymous))).label("viewers")


def list_views(
    session: Session,
    *,
    product_id: int | None,
    viewer_id: int | None,
    start: datetime | None,
    end: datetime | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[View]:
    """Views, oldest first, from *start* up to but without *end*, behind the position *after*."""
    query = select(View).order_by(View.at, View.event_id).limit(limit)
    if product_id is not None:
        query = query.where(View.product_id == product_id)
    if viewer_id is not None:
        query = query.where(View.viewer_id == viewer_id)
    if start is not None:
        query = query.where(View.at >= start)
    if end is not None:
        query = query.where(View.at < end)
    if after is not None:
        at, event_id = after
        # The first half alone lets the index begin there; a row comparison would not.
        query = query.where(View.at >= at, or_(View.at > at, View.event_id > event_id))
    return list(session.scalars(query))


def top_products(
    session: Session, *, metric: Metric, window: Window, limit: int
) -> list[tuple[int, int]]:
    """The products with the most of *metric*, best first, each with its value; none with zero."""
    value = func.sum(getattr(ProductMinute, metric)).label("value")
    query = (
        select(ProductMinute.product_id, value)
        .where(ProductMinute.minute >= window.start, ProductMinute.minute < window.end)
        .group_by(ProductMinute.product_id)
        .having(value > 0)
        .order_by(value.desc(), ProductMinute.product_id)
        .limit(limit)
    )
    return [(row.product_id, int(row.value)) for row in session.execute(query)]


def views_since(session: Session) -> datetime | None:
    """Since when views are kept; None while none were ever dropped."""
    return session.scalar(select(ViewHorizon.since))


def end_of_log(session: Session) -> int:
    """Where the chain of the event log ends; 0 while nothing is sealed."""
    return session.scalar(select(LogHead.position)) or 0


def sealed_events(session: Session, *, after: int, limit: int) -> list[LoggedEvent]:
    """Events of the log behind a place in its chain, which has no gaps: a follower misses none."""
    query = select(LoggedEvent).where(LoggedEvent.position > after)
    return list(session.scalars(query.order_by(LoggedEvent.position).limit(limit)))
