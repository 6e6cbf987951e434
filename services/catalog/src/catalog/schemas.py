# SPDX-License-Identifier: Apache-2.0
"""What may come in, and what goes out."""

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from catalog.models import (
    REFUSED_SKUS,
    SKU,
    LedgerEntry,
    Price,
    Product,
    ShownProduct,
    Stock,
)
from common.batching import MOST
from common.clock import rfc3339
from common.money import Amount, to_text
from common.schemas import MOST_UNITS, Line, Page, Query, Schema, Shown, Text, Units


def _sku(value: str) -> str:
    if not SKU.fullmatch(value):
        raise ValueError("must be 1 to 64 letters, digits, '.', '_', '~' or '-'")
    if value in REFUSED_SKUS or value.isdigit():
        raise ValueError("is a word or a number that our paths need")
    return value


def changes_like(example: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Describes a body of changes: what is left out stays, so no field has a default to show."""

    def describe(schema: dict[str, Any]) -> None:
        schema["examples"] = [example]
        for field in schema["properties"].values():
            field.pop("default", None)

    return describe


Sku = Annotated[Line, AfterValidator(_sku)]
Name = Annotated[Line, Field(min_length=1, max_length=512)]
Description = Annotated[Text, Field(max_length=10_000)]
Mark = Annotated[Line, Field(min_length=1, max_length=255)]
Quantity = Annotated[int, Field(gt=0, le=MOST_UNITS)]


class NewProductIn(Schema):
    """A product to sell."""

    model_config = Schema.model_config | {
        "json_schema_extra": {
            "examples": [{"name": "Lamp", "price": "12.50", "sku": "LAMP-1", "quantity": 10}]
        }
    }

    name: Name
    price: Amount
    sku: Sku | None = None
    description: Description | None = None
    mark: Mark | None = None
    quantity: Units = 0
    low_stock_at: Units | None = None


class ProductChangesIn(Schema):
    """Only what is named changes; null clears what may be empty."""

    model_config = Schema.model_config | {"json_schema_extra": changes_like({"price": "12.50"})}

    name: Name = ""
    price: Amount = 0
    sku: Sku | None = None
    description: Description | None = None
    mark: Mark | None = None
    low_stock_at: Units | None = None


class StockChangeIn(Schema):
    """Either a difference or the true number."""

    model_config = Schema.model_config | {
        "json_schema_extra": {"examples": [{"delta": 5, "reason": "delivered"}, {"set": 12}]}
    }

    delta: Annotated[int, Field(ge=-MOST_UNITS, le=MOST_UNITS)] | None = None
    exactly: Units | None = Field(default=None, alias="set")
    reason: Annotated[Line, Field(min_length=1, max_length=255)] = "corrected"

    @model_validator(mode="after")
    def _one_of_both(self) -> "StockChangeIn":
        if (self.delta is None) == (self.exactly is None):
            raise ValueError("give either delta or set")
        return self


class ProductQuery(Page):
    """Which products, in which order."""

    q: Annotated[str, Field(max_length=200)] | None = None
    seller: Annotated[str, Field(max_length=80)] | None = None
    mark: Annotated[str, Field(max_length=255)] | None = None
    min_price: Amount | None = None
    max_price: Amount | None = None
    in_stock: bool | None = None
    sort: Literal["created_at", "-created_at", "price", "-price"] = "-created_at"

    def words(self) -> tuple[str, ...]:
        """The words to search for; punctuation would be operators of the full-text language."""
        return tuple(re.findall(r"\w+", self.q or ""))[:10]


class ResolveQuery(Query):
    refs: Annotated[str, Field(max_length=20_000)]


class ReservationLineIn(Schema):
    product_id: Annotated[int, Field(gt=0, lt=2**63)]
    quantity: Quantity
    expected_price: Units | None = None


class ReservationIn(Schema):
    """The reserve command of one order. Money in minor units: this is between services."""

    items: Annotated[list[ReservationLineIn], Field(min_length=1, max_length=200)]
    expected_total: Annotated[int, Field(ge=0)] | None = None
    currency: str | None = None


class OrderReservationIn(ReservationIn):
    """The same among others, in the name of whoever placed the order."""

    order_id: Annotated[UUID, Field(strict=False)]
    correlation_id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    actor: Annotated[str, Field(max_length=64)]


class ReservationsIn(Schema):
    """The reserve commands of orders that were placed at the same time."""

    reservations: Annotated[list[OrderReservationIn], Field(min_length=1, max_length=MOST)]


class SellerOut(Shown):
    id: int
    username: str


class ProductOut(Shown):
    id: int
    public_id: str
    sku: str | None
    name: str
    description: str | None
    price: str
    currency: str
    mark: str | None
    available: int
    low_stock_at: int | None
    seller: SellerOut
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, product: Product) -> "ProductOut":
        return cls.model_validate(cls.shape(ShownProduct.of(product)))

    @staticmethod
    def shape(product: ShownProduct) -> dict[str, Any]:
        """The same as plain values: lists would wait longer for models than for the database."""
        return {
            "id": product.id,
            "public_id": product.public_id,
            "sku": product.sku,
            "name": product.name,
            "description": product.description,
            "price": to_text(product.price_minor),
            "currency": product.currency,
            "mark": product.mark,
            "available": product.available,
            "low_stock_at": product.low_stock_at,
            "seller": {"id": product.seller_id, "username": product.seller_name},
            "created_at": product.created_at,
            "updated_at": product.updated_at,
        }


class ProductsOut(Shown):
    items: list[ProductOut]
    next_cursor: str | None

    @staticmethod
    def shape(products: Iterable[ShownProduct], *, next_cursor: str | None) -> dict[str, Any]:
        """The same as plain values; see ``ProductOut``."""
        items = [ProductOut.shape(product) for product in products]
        return {"items": items, "next_cursor": next_cursor}


class StockOut(Shown):
    product_id: int
    on_hand: int
    reserved: int
    available: int

    @classmethod
    def of(cls, stock: Stock) -> "StockOut":
        return cls.model_validate(stock)


class LedgerEntryOut(Shown):
    at: str
    delta: int
    reason: str
    actor: str
    on_hand: int
    event_id: str

    @classmethod
    def of(cls, entry: LedgerEntry) -> "LedgerEntryOut":
        return cls(
            at=rfc3339(entry.at),
            delta=entry.delta,
            reason=entry.reason,
            actor=entry.actor,
            on_hand=entry.on_hand,
            event_id=str(entry.event_id),
        )


class LedgerOut(Shown):
    items: list[LedgerEntryOut]
    next_cursor: str | None


class PriceOut(Shown):
    at: str
    price: str
    currency: str
    actor: str

    @classmethod
    def of(cls, price: Price) -> "PriceOut":
        return cls(
            at=rfc3339(price.at),
            price=to_text(price.price_minor),
            currency=price.currency,
            actor=price.actor,
        )


class PricesOut(Shown):
    items: list[PriceOut]
    lowest_30d: str | None
