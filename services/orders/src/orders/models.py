# SPDX-License-Identifier: Apache-2.0
"""Orders' tables and the rules that one row must always keep. The shard key is the customer."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self
from uuid import UUID

import orjson
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer
from sqlalchemy.dialects.mysql import BLOB, VARCHAR
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from common.clock import rfc3339
from common.db import Identifier, Moment, exact, folded, new_metadata
from common.idempotency import InProgress, Key, declare_idempotency
from common.inbox import declare_inbox
from common.outbox import declare_outbox
from common.repairs import declare_repairs
from common.replica import declare_heartbeats
from orders.errors import NotCancellable

MOST_LINES = 100
MOST_UNITS = 1_000_000
NOBODY = 0
"""The customer of an order that we never knew: see ``tell_outcome``."""


class Base(DeclarativeBase):
    metadata = new_metadata()
    # MariaDB could return what it computes with the insert, MySQL could not: neither is asked.
    __mapper_args__ = {"eager_defaults": False}  # noqa: RUF012 - SQLAlchemy declares it


declare_outbox(Base.metadata)
declare_inbox(Base.metadata)
declare_idempotency(Base.metadata)
declare_repairs(Base.metadata)
declare_heartbeats(Base.metadata)


class Lines(TypeDecorator[dict[int, int]]):
    """Units by product id, ascending: ``{42: 2}``. Read as a whole, never searched."""

    impl = BLOB
    cache_ok = True

    def process_bind_param(self, value: dict[int, int] | None, dialect: Dialect) -> bytes:
        del dialect
        return orjson.dumps(sorted((value or {}).items()))

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> dict[int, int]:
        del dialect
        return dict(orjson.loads(value or b"[]"))


class Customer(Base):
    """What auth told us about somebody, as of *version*."""

    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    username: Mapped[str] = mapped_column(folded(255))
    is_guest: Mapped[bool]
    is_deleted: Mapped[bool]
    version: Mapped[int] = mapped_column(BigInteger)


class Cart(Base):
    """A customer's cart. Whoever changes its lines holds this row's lock.

    Attributes:
        ordering_id: The pending order that is being made of it; until that is settled there is no
            second one.
    """

    __tablename__ = "carts"

    customer_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(Integer, default=0)
    ordering_id: Mapped[UUID | None] = mapped_column(Identifier, default=None)


class CartItem(Base):
    __tablename__ = "cart_items"
    __table_args__ = (CheckConstraint(f"quantity BETWEEN 1 AND {MOST_UNITS}", name="quantity"),)

    customer_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    product_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    quantity: Mapped[int] = mapped_column(Integer)
    added_at: Mapped[datetime] = mapped_column(Moment)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One holder's right to settle a pending order, for as long as nobody has taken it over.

    Attributes:
        key: The client's, where the answer belongs; its owner is the customer.
        fence: Which holder this is; only the latest one's settlement counts.
        lines: Units by product id.
        expected_total: In minor units; catalog refuses another one.
    """

    order_id: UUID
    key: Key
    fence: int
    lines: dict[int, int]
    expected_total: int | None
    is_from_cart: bool


@dataclass(frozen=True, kw_only=True)
class StandingItem:
    """One product of a ``Standing`` order; see ``OrderItem``."""

    order_id: UUID
    product_id: int
    customer_id: int
    sku: str | None
    name: str
    quantity: int
    unit_price_minor: int


@dataclass(frozen=True, kw_only=True)
class Standing:
    """An ``Order`` as it will stand once it is confirmed.

    Not one of SQLAlchemy's: to make those took an eighth of the time that an order costs.
    """

    id: UUID
    customer_id: int
    wanted: dict[int, int]
    total_minor: int
    currency: str
    placed_at: datetime
    items: list[StandingItem]
    status: str = "confirmed"
    reason: str | None = None


class ShownItem(NamedTuple):
    """A line of an order as it is shown; what was only asked for has no name and no price."""

    product_id: int
    sku: str | None
    name: str | None
    quantity: int
    unit_price_minor: int | None

    @classmethod
    def asked_for(cls, product_id: int, quantity: int) -> Self:
        return cls(product_id, None, None, quantity, None)


class ShownOrder(NamedTuple):
    """What is shown of an order, without its objects; the time as ``rfc3339``."""

    id: str
    status: str
    total_minor: int | None
    currency: str
    placed_at: str | None
    items: list[ShownItem]

    @classmethod
    def of(cls, order: "Order | Standing") -> Self:
        """An order with its items loaded. A pending or rejected one shows what was asked for."""
        if order.placed_at is None:
            placed_at = None
            items = [ShownItem.asked_for(*line) for line in order.wanted.items()]
        else:
            placed_at = rfc3339(order.placed_at)
            items = [
                ShownItem(one.product_id, one.sku, one.name, one.quantity, one.unit_price_minor)
                for one in order.items
            ]
        return cls(str(order.id), order.status, order.total_minor, order.currency, placed_at, items)


class Order(Base):
    """An order: pending, then confirmed or rejected; a confirmed one may be cancelled.

    Attributes:
        reason: Why it was rejected.
        wanted: What was asked for. ``items`` is what stands, with catalog's prices.
        held_until: By the database's clock: so long nobody else may settle this pending order.
        fence: Counts the holders of the pending order.
        idempotency_key: The customer's key that this order answers.
    """

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint(
            "status IN ('pending', 'confirmed', 'cancelled', 'rejected')", name="status"
        ),
        CheckConstraint("(status = 'pending') = (held_until IS NOT NULL)", name="held_until"),
        CheckConstraint("(status = 'rejected') = (reason IS NOT NULL)", name="reason"),
        CheckConstraint(
            "(status IN ('confirmed', 'cancelled'))"
            " = (placed_at IS NOT NULL AND total_minor IS NOT NULL)",
            name="placed_at",
        ),
        Index("ix_orders_customer_id", "customer_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(Identifier, primary_key=True)
    customer_id: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(exact(16))
    reason: Mapped[str | None] = mapped_column(exact(64), default=None)
    wanted: Mapped[dict[int, int]] = mapped_column(Lines)
    expected_total_minor: Mapped[int | None] = mapped_column(BigInteger, default=None)
    is_from_cart: Mapped[bool]
    total_minor: Mapped[int | None] = mapped_column(BigInteger, default=None)
    currency: Mapped[str] = mapped_column(exact(3))
    version: Mapped[int] = mapped_column(Integer)
    fence: Mapped[int] = mapped_column(Integer)
    held_until: Mapped[datetime | None] = mapped_column(Moment, index=True, default=None)
    idempotency_key: Mapped[str | None] = mapped_column(exact(255), default=None)
    created_at: Mapped[datetime] = mapped_column(Moment)
    placed_at: Mapped[datetime | None] = mapped_column(Moment, default=None)

    items: Mapped[list["OrderItem"]] = relationship(lazy="raise", order_by="OrderItem.product_id")

    def attempt(self, *, fence: int) -> Attempt:
        """The right to settle this pending order, as its holder number *fence*."""
        assert self.status == "pending"
        assert self.idempotency_key is not None
        return Attempt(
            order_id=self.id,
            key=Key(owner_id=self.customer_id, word=self.idempotency_key),
            fence=fence,
            lines=self.wanted,
            expected_total=self.expected_total_minor,
            is_from_cart=self.is_from_cart,
        )

    def cancel(self) -> bool:
        """Take the order back; returns whether it stood until now. The caller holds its lock.

        Raises:
            InProgress: Nobody knows yet whether it will stand.
            NotCancellable: It was rejected.
        """
        match self.status:
            case "pending":
                raise InProgress("This order is still being placed; ask again.")
            case "rejected":
                raise NotCancellable
            case "cancelled":
                return False
        self.status = "cancelled"
        self.version += 1
        return True


class OrderItem(Base):
    """One product of an order that stands or stood, as catalog's answer said.

    Attributes:
        is_sold: False once the order is cancelled. It is here so that an index alone answers how
            much of a product was sold.
    """

    __tablename__ = "order_items"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("unit_price_minor >= 0", name="unit_price_minor"),
        Index("ix_order_items_product_id", "product_id", "is_sold", "quantity"),
    )

    order_id: Mapped[UUID] = mapped_column(Identifier, ForeignKey("orders.id"), primary_key=True)
    product_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    customer_id: Mapped[int] = mapped_column(BigInteger)
    sku: Mapped[str | None] = mapped_column(VARCHAR(255, charset="utf8mb4"))
    name: Mapped[str] = mapped_column(VARCHAR(1024, charset="utf8mb4"))
    quantity: Mapped[int] = mapped_column(Integer)
    unit_price_minor: Mapped[int] = mapped_column(BigInteger)
    is_sold: Mapped[bool]

    @property
    def subtotal_minor(self) -> int:
        return self.quantity * self.unit_price_minor
