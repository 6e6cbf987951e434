# SPDX-License-Identifier: Apache-2.0
"""Tables of analytics. All are made from events alone; nothing here is anybody's first copy."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BINARY, BigInteger, CheckConstraint, Index, Integer, Numeric, SmallInteger
from sqlalchemy.dialects.mysql import BIGINT, MEDIUMBLOB, TINYINT, VARCHAR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from common.db import Identifier, Moment, exact, new_metadata
from common.inbox import declare_inbox
from common.repairs import declare_repairs
from common.replica import declare_heartbeats

PLACED = "placed"
CANCELLED = "cancelled"


class Base(DeclarativeBase):
    metadata = new_metadata()


declare_inbox(Base.metadata)
declare_repairs(Base.metadata)
declare_heartbeats(Base.metadata)


class View(Base):
    """Somebody looked at a product's page.

    The key begins with the time, so that inserts go to the right edge, and the table is partitioned
    by it, a day each, so that an old day is dropped in one statement. Each server wants the
    partitions' column in every unique key, therefore the event id alone is none: the same event
    always has the same time.
    """

    __tablename__ = "views"
    __table_args__ = (
        # Holds all that a count of different viewers asks for, in the order that a list is read in.
        Index(None, "product_id", "at", "event_id", "viewer_id", "session"),
        Index(None, "viewer_id", "at", "event_id"),
    )

    at: Mapped[datetime] = mapped_column(Moment, primary_key=True)
    event_id: Mapped[UUID] = mapped_column(Identifier, primary_key=True)
    product_id: Mapped[int] = mapped_column(BigInteger)
    viewer_id: Mapped[int | None] = mapped_column(BigInteger)
    session: Mapped[str] = mapped_column(exact(64))
    status: Mapped[int] = mapped_column(SmallInteger)


class ViewHorizon(Base):
    """Since when views are kept: one row, once any were dropped.

    It moves before they go, and what is older is never taken in again: with its row a view has lost
    what it would be known by.
    """

    __tablename__ = "view_horizon"
    __table_args__ = (CheckConstraint("id = 1", name="id"),)

    id: Mapped[int] = mapped_column(TINYINT(unsigned=True), primary_key=True, autoincrement=False)
    since: Mapped[datetime] = mapped_column(Moment)


class ProductMinute(Base):
    """What happened to one product in one minute; equals a recount of views and sales."""

    __tablename__ = "product_minutes"
    __table_args__ = (
        CheckConstraint("views >= 0", name="views"),
        CheckConstraint("orders >= 0", name="orders"),
        CheckConstraint("units >= 0", name="units"),
        CheckConstraint("revenue >= 0", name="revenue"),
        Index(None, "product_id", "minute"),
    )

    # The minute comes first: a ranking reads all products of a stretch of time, one after another.
    minute: Mapped[datetime] = mapped_column(Moment, primary_key=True)
    product_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    views: Mapped[int] = mapped_column(BigInteger)
    orders: Mapped[int] = mapped_column(BigInteger)
    units: Mapped[int] = mapped_column(BigInteger)
    # Units times a price may be more than a BIGINT holds.
    revenue: Mapped[Decimal] = mapped_column(Numeric(38, 0))


class Sale(Base):
    """One line of an order. All lines of an order have the same time and status.

    What is known grows in one direction only, so the order in which news arrive does not matter.

    Attributes:
        at: When the order was placed: the earliest time of all that was told about it.
    """

    __tablename__ = "sales"
    __table_args__ = (
        CheckConstraint(f"status IN ('{PLACED}', '{CANCELLED}')", name="status"),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("unit_price >= 0", name="unit_price"),
        Index(None, "product_id", "at"),
    )

    order_id: Mapped[str] = mapped_column(exact(64), primary_key=True)
    line: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    product_id: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[int] = mapped_column(Integer)
    unit_price: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(Moment)
    status: Mapped[str] = mapped_column(exact(16))

    def learn(self, *, at: datetime, status: str) -> None:
        """Take in one more event about this order; a cancelled order stays cancelled."""
        self.at = min(self.at, at)
        if status == CANCELLED:
            self.status = CANCELLED


class Product(Base):
    """What a path may call a product, and whose it is."""

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    public_id: Mapped[str | None] = mapped_column(exact(32), index=True)
    # Not unique: news of two products that swap a sku may come in any order.
    sku: Mapped[str | None] = mapped_column(exact(64), index=True)
    name: Mapped[str] = mapped_column(VARCHAR(512, charset="utf8mb4"))
    seller_id: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(BigInteger)
    is_deleted: Mapped[bool]

    def learn(self, *, version: int, sku: str | None, name: str, seller_id: int) -> None:
        """Take in the product's state as of *version*, unless a later one is known."""
        if version >= self.version:
            self.version, self.sku, self.name, self.seller_id = version, sku, name, seller_id


class LoggedEvent(Base):
    """One event as it was told. Rows are only ever added, and sealed once.

    Views are not here: they would double the volume, and ``views`` keeps what anybody asks of them
    (not the path and the request id; the stream has those as long as it lasts).

    Attributes:
        position: Where the row stands in the chain, without gaps, from 1; None until it is sealed.
        hash: Of the row and of the one before it in the chain; see ``analytics.chain``.
    """

    __tablename__ = "event_log"
    __table_args__ = (
        Index(None, "subject", "type", "aggregate_version"),
        Index(None, "causation_id"),
        Index(None, "correlation_id"),
        # Holds all that a dry run of a replay counts, in the order that a replay reads in.
        Index(None, "time", "seq", "type"),
    )

    seq: Mapped[int] = mapped_column(BIGINT(unsigned=True), primary_key=True)
    event_id: Mapped[UUID] = mapped_column(Identifier, unique=True)
    source: Mapped[str] = mapped_column(exact(64))
    type: Mapped[str] = mapped_column(exact(64))
    version: Mapped[str] = mapped_column(exact(16))
    subject: Mapped[str] = mapped_column(exact(64))
    aggregate_version: Mapped[int] = mapped_column(BigInteger)
    time: Mapped[datetime] = mapped_column(Moment)
    correlation_id: Mapped[str] = mapped_column(exact(64))
    causation_id: Mapped[str | None] = mapped_column(exact(64))
    actor: Mapped[str] = mapped_column(exact(64))
    body: Mapped[bytes] = mapped_column(MEDIUMBLOB)
    position: Mapped[int | None] = mapped_column(BIGINT(unsigned=True), unique=True)
    hash: Mapped[bytes | None] = mapped_column(BINARY(32))


class LogHead(Base):
    """The end of the chain: one row. Without it nobody would miss rows that are cut off the end."""

    __tablename__ = "event_log_head"
    __table_args__ = (CheckConstraint("id = 1", name="id"),)

    id: Mapped[int] = mapped_column(TINYINT(unsigned=True), primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BIGINT(unsigned=True))
    hash: Mapped[bytes] = mapped_column(BINARY(32))
