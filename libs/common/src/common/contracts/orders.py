# SPDX-License-Identifier: Apache-2.0
"""What orders tells the world. Money is in minor units."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from common.events import Event


class OrderLine(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    product_id: int
    quantity: int
    unit_price: int
    sku: str | None = None
    name: str = ""


class _OrderEvent(Event):
    publisher: ClassVar[str] = "orders"

    order_id: str

    def subject(self) -> str:
        return f"order/{self.order_id}"


class _SettledOrder(_OrderEvent):
    customer_id: int
    items: list[OrderLine]
    total: int
    currency: str


class OrderPlaced(_SettledOrder):
    """An order stands: its units are the customer's."""


class OrderCancelled(_SettledOrder):
    """A placed order was taken back: its units go back to the shelf."""


class OrderRejected(_OrderEvent):
    """An order will never stand: whatever was held for it is free."""

    reason: str
