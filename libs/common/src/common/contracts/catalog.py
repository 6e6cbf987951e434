# SPDX-License-Identifier: Apache-2.0
"""What catalog tells the world. Money is in minor units; what a client sees is made at the edge."""

from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from common.events import Event


class Change(BaseModel):
    """One field before and after."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    old: Any
    new: Any


class _ProductEvent(Event):
    publisher: ClassVar[str] = "catalog"

    product_id: int
    sku: str | None
    name: str
    seller_id: int

    def subject(self) -> str:
        return f"product/{self.product_id}"


class ProductCreated(_ProductEvent):
    """A product is for sale now; *changes* holds every field with ``old`` null."""

    changes: dict[str, Change]


class ProductChanged(_ProductEvent):
    """A product's text changed; *changes* holds only what differs, never the price."""

    changes: dict[str, Change]


class ProductDeleted(_ProductEvent):
    """A product is no longer for sale; *changes* holds the last values with ``new`` null."""

    changes: dict[str, Change]


class ProductPriceChanged(_ProductEvent):
    """A product costs something else now."""

    old_price: int
    new_price: int
    currency: str


class _StockEvent(Event):
    """Stock is an aggregate of its own: its versions count apart from its product's."""

    publisher: ClassVar[str] = "catalog"

    product_id: int

    def subject(self) -> str:
        return f"stock/{self.product_id}"


class StockChanged(_StockEvent):
    """The units on hand changed: restocked, sold, put back or corrected."""

    delta: int
    reason: str
    on_hand: int
    available: int


class StockLow(_StockEvent):
    """The available units fell to the product's threshold; told once per fall."""

    sku: str | None
    name: str
    available: int
    threshold: int


class ReservationOverdue(Event):
    """Stock is held for an order that nobody settled; orders must say what became of it."""

    publisher: ClassVar[str] = "catalog"

    order_id: str
    reserved_at: datetime

    def subject(self) -> str:
        return f"order/{self.order_id}"
