# SPDX-License-Identifier: Apache-2.0
"""Catalog's tables, and the rules that one row must always keep."""

import re
import secrets
import string
from datetime import datetime
from typing import Any, NamedTuple, Self
from uuid import UUID

import orjson
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Row, Text
from sqlalchemy.dialects.mysql import BINARY, CHAR, MEDIUMBLOB, MEDIUMTEXT, VARCHAR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from catalog.errors import BelowReserved
from common.clock import rfc3339
from common.db import Identifier, Moment, exact, folded, new_metadata
from common.inbox import declare_inbox
from common.outbox import declare_outbox
from common.repairs import declare_repairs
from common.replica import declare_heartbeats

PUBLIC_ID_LENGTH = 12
PUBLIC_ID_LETTERS = string.ascii_lowercase + string.digits
SKU = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,63}")
REFUSED_SKUS = frozenset({"my", "all", "add", "add-stock"})
"""Words that stand where a product's name could in some path."""


class Base(DeclarativeBase):
    metadata = new_metadata()


declare_outbox(Base.metadata)
declare_inbox(Base.metadata)
declare_repairs(Base.metadata)
declare_heartbeats(Base.metadata)


def new_public_id() -> str:
    """An opaque name for a product; never digits only, because those are read as its id."""
    letters = [secrets.choice(PUBLIC_ID_LETTERS) for _ in range(PUBLIC_ID_LENGTH - 1)]
    return secrets.choice(string.ascii_lowercase) + "".join(letters)


class Product(Base):
    """What is for sale, without how many: text changes seldom, stock all the time."""

    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint("price_minor >= 0", name="price"),
        Index("ft_products_text", "name", "description", mysql_prefix="FULLTEXT"),
        Index("ix_products_listed", "is_listed", "id"),
        Index("ix_products_price", "is_listed", "price_minor", "id"),
        Index("ix_products_seller", "seller_id", "is_listed", "id"),
        Index("ix_products_seller_price", "seller_id", "is_listed", "price_minor", "id"),
        Index("ix_products_mark", "mark", "is_listed", "id"),
        Index("ix_products_mark_price", "mark", "is_listed", "price_minor", "id"),
        Index("ix_products_name", "name", "is_listed", "seller_id"),
        Index("ix_products_seller_name", "seller_name", "is_listed", "id"),
        Index("ix_products_seller_name_price", "seller_name", "is_listed", "price_minor", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    public_id: Mapped[str] = mapped_column(exact(PUBLIC_ID_LENGTH), unique=True)
    sku: Mapped[str | None] = mapped_column(exact(64), unique=True)
    name: Mapped[str] = mapped_column(VARCHAR(512))
    description: Mapped[str | None] = mapped_column(Text)
    mark: Mapped[str | None] = mapped_column(folded(255))
    price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(CHAR(3))
    low_stock_at: Mapped[int | None]
    seller_id: Mapped[int] = mapped_column(BigInteger)
    seller_name: Mapped[str] = mapped_column(VARCHAR(80))
    version: Mapped[int] = mapped_column(default=1)
    is_listed: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)

    stock: Mapped["Stock"] = relationship(lazy="raise", uselist=False)

    @property
    def available(self) -> int:
        return self.stock.available

    @property
    def stock_version(self) -> int:
        return self.stock.version


class ShownProduct(NamedTuple):
    """What is shown of a product and its stock, without their objects; times as ``rfc3339``."""

    id: int
    public_id: str
    sku: str | None
    name: str
    description: str | None
    mark: str | None
    price_minor: int
    currency: str
    low_stock_at: int | None
    seller_id: int
    seller_name: str
    version: int
    available: int
    stock_version: int
    created_at: str
    updated_at: str

    @classmethod
    def of_json(cls, text: str) -> Self:
        """Read what ``queries`` has the database write: the fields in order."""
        return cls._make(orjson.loads(text))

    @classmethod
    def of(cls, product: Product) -> Self:
        """What is shown of a product that is here with its stock."""
        fields = [getattr(product, name) for name in cls._fields[:-2]]
        times = [rfc3339(product.created_at), rfc3339(product.updated_at)]
        return cls._make(fields + times)


OnSale = Product | ShownProduct | Row[Any]
"""A product as it is shown: itself, or what is needed of it and its stock."""


class Stock(Base):
    """How many units there are. The narrow row that everybody locks."""

    __tablename__ = "stock"
    __table_args__ = (
        # The last fence: were every lock wrong, the database would still refuse to oversell.
        CheckConstraint("reserved >= 0 AND reserved <= on_hand", name="reserved"),
    )

    product_id: Mapped[int] = mapped_column(
        ForeignKey("products.id"), primary_key=True, autoincrement=False
    )
    on_hand: Mapped[int]
    reserved: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(BigInteger, default=1)

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved

    def correct(self, on_hand: int) -> int:
        """Say how many there really are; returns the difference. The caller holds the lock.

        Raises:
            BelowReserved: Orders were promised more than that.
        """
        if on_hand < self.reserved:
            raise BelowReserved(reserved=self.reserved, on_hand=self.on_hand)
        delta, self.on_hand = on_hand - self.on_hand, on_hand
        self.version += 1
        return delta


class LedgerEntry(Base):
    """One change of ``on_hand``: never updated, never deleted. A product's deltas add up to it."""

    __tablename__ = "stock_ledger"
    __table_args__ = (Index("ix_stock_ledger_product", "product_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    product_id: Mapped[int] = mapped_column(BigInteger)
    delta: Mapped[int]
    on_hand: Mapped[int]
    reason: Mapped[str] = mapped_column(VARCHAR(255))
    actor: Mapped[str] = mapped_column(exact(64))
    order_id: Mapped[UUID | None] = mapped_column(Identifier)
    event_id: Mapped[UUID] = mapped_column(Identifier)
    at: Mapped[datetime] = mapped_column(Moment)


class Price(Base):
    """What a product cost from a moment on."""

    __tablename__ = "prices"
    __table_args__ = (Index("ix_prices_product", "product_id", "at"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    product_id: Mapped[int] = mapped_column(BigInteger)
    price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(CHAR(3))
    actor: Mapped[str] = mapped_column(exact(64))
    at: Mapped[datetime] = mapped_column(Moment)


class Reservation(Base):
    """What an order holds, held, or was refused, and the answer that its command got.

    ``reserved`` ends as ``sold``, ``released`` or ``cancelled``, and only by orders' word.
    ``refused`` took nothing. ``released`` and ``cancelled`` may come first, as a tombstone.
    """

    __tablename__ = "reservations"
    __table_args__ = (Index("ix_reservations_open", "status", "reserved_at"),)

    order_id: Mapped[UUID] = mapped_column(Identifier, primary_key=True)
    status: Mapped[str] = mapped_column(exact(16))
    wish: Mapped[str | None] = mapped_column(MEDIUMTEXT)
    answer: Mapped[str | None] = mapped_column(MEDIUMTEXT)
    reserved_at: Mapped[datetime] = mapped_column(Moment)
    settled_at: Mapped[datetime | None] = mapped_column(Moment)
    asked_at: Mapped[datetime | None] = mapped_column(Moment)


class PictureContent(Base):
    """The bytes of one or more pictures: what is uploaded twice is stored once.

    The row goes with its last picture. Whoever adds or removes a picture locks it first.
    """

    __tablename__ = "picture_contents"

    content_hash: Mapped[bytes] = mapped_column(BINARY(32), primary_key=True)
    data: Mapped[bytes] = mapped_column(MEDIUMBLOB)


class Picture(Base):
    """A picture as its uploader put it up, without its bytes: lists read this, and only this.

    The username is the one that the uploader had then. A picture of a product that was deleted, or
    of a user who is gone, stays until it is deleted itself.
    """

    __tablename__ = "pictures"
    __table_args__ = (
        Index("ix_pictures_username", "username", "id"),
        Index("ix_pictures_product", "product_id", "id"),
        Index("ix_pictures_content", "content_hash"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    user_id: Mapped[int] = mapped_column(BigInteger)
    username: Mapped[str] = mapped_column(folded(80))
    product_id: Mapped[int | None] = mapped_column(BigInteger)
    # The last fence: no picture without its bytes.
    content_hash: Mapped[bytes] = mapped_column(ForeignKey("picture_contents.content_hash"))
    media_type: Mapped[str] = mapped_column(exact(32))
    bytes: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(Moment)


def plain(product: Product) -> dict[str, Any]:
    """A product's fields as its events tell them."""
    return {
        "public_id": product.public_id,
        "sku": product.sku,
        "name": product.name,
        "description": product.description,
        "mark": product.mark,
        "price": product.price_minor,
        "currency": product.currency,
        "low_stock_at": product.low_stock_at,
    }
