# SPDX-License-Identifier: Apache-2.0
"""What may come in, and what goes out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Annotated, Any, Self

import orjson
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from common.money import Amount, to_text
from common.schemas import Line, Schema, Shown
from orders.catalog import MOST_ID, Product
from orders.models import MOST_LINES, MOST_UNITS, Order, ShownItem, ShownOrder
from orders.queries import CartContent

Quantity = Annotated[int, Field(ge=1, le=MOST_UNITS)]
ProductId = Annotated[int, Field(ge=1, le=MOST_ID)]
ProductRef = Annotated[Line, Field(min_length=1, max_length=64)]


class CartLineIn(Schema):
    model_config = Schema.model_config | {"json_schema_extra": {"examples": [{"quantity": 2}]}}

    quantity: Quantity


class WishIn(Schema):
    """So many units of a product, by its id or any other name that a path takes."""

    product: ProductId | ProductRef
    quantity: Quantity


class IdempotencyHeader(BaseModel):
    """The client's own name for its request: the same key is the same order, however often."""

    model_config = ConfigDict(frozen=True)

    # A header has no type to be wrong in: what is no key is refused by ``read_key``, with 400.
    key: Annotated[
        str | None,
        WithJsonSchema({"type": "string", "pattern": "^[!-~]{1,255}$"}),
        Field(
            # As the document calls it, and as APIFlask does.
            validation_alias=AliasChoices("Idempotency-Key", "idempotency_key"),
            json_schema_extra=lambda schema: schema.pop("default"),
        ),
    ] = None


class IdempotencyHeaderNeeded(IdempotencyHeader):
    model_config = ConfigDict(frozen=True, json_schema_extra={"required": ["Idempotency-Key"]})


class OrderIn(Schema):
    """An order of these items, or of the cart where no items are named."""

    model_config = Schema.model_config | {
        "json_schema_extra": {
            "examples": [
                {"items": [{"product": "LAMP-1", "quantity": 2}], "expected_total": "25.00"},
                {},
            ]
        }
    }

    items: Annotated[list[WishIn], Field(max_length=10 * MOST_LINES)] | None = None
    expected_total: Amount | None = None

    @model_validator(mode="after")
    def _say_what(self) -> Self:
        if self.items is None and "items" in self.model_fields_set:
            # An unset variable in somebody's client must not order the whole cart.
            raise ValueError("items must be a list; leave it out to order the cart")
        return self

    def wishes(self) -> dict[str, int] | None:
        """Units by what the product is called, None for the cart."""
        if self.items is None:
            return None
        units: Counter[str] = Counter()
        for wish in self.items:
            units[str(wish.product)] += wish.quantity
        return dict(units)

    def fingerprint(self) -> bytes:
        """The same for requests that mean the same, whatever the order of their lines."""
        wishes = self.wishes()
        items = "cart" if wishes is None else sorted(wishes.items())
        return sha256(orjson.dumps([items, self.expected_total])).digest()


class CartLineOut(Shown):
    """A line as the product is now. One that is no longer for sale has no price."""

    product_id: int
    name: str | None
    quantity: int
    unit_price: str | None
    subtotal: str | None
    available: int

    @classmethod
    def of(cls, product_id: int, quantity: int, product: Product | None) -> Self:
        if product is None or product.deleted:
            return cls(
                product_id=product_id,
                name=product.name if product else None,
                quantity=quantity,
                unit_price=None,
                subtotal=None,
                available=0,
            )
        return cls(
            product_id=product_id,
            name=product.name,
            quantity=quantity,
            unit_price=to_text(product.price),
            subtotal=to_text(product.price * quantity),
            available=product.available,
        )


class CartOut(Shown):
    items: list[CartLineOut]
    total: str
    currency: str
    version: int

    @classmethod
    def of(cls, cart: CartContent, products: Mapping[int, Product], currency: str) -> Self:
        return cls(
            items=[
                CartLineOut.of(number, units, products.get(number))
                for number, units in cart.lines.items()
            ],
            total=to_text(cart.total(products)),
            currency=currency,
            version=cart.version,
        )


class OrderItemOut(Shown):
    """A line of an order; what was only asked for has no name and no price."""

    product_id: int
    sku: str | None
    name: str | None
    quantity: int
    unit_price: str | None
    subtotal: str | None

    @staticmethod
    def shape(item: ShownItem) -> dict[str, Any]:
        """The same as plain values; see ``OrderOut``."""
        price = item.unit_price_minor
        return {
            "product_id": item.product_id,
            "sku": item.sku,
            "name": item.name,
            "quantity": item.quantity,
            "unit_price": None if price is None else to_text(price),
            "subtotal": None if price is None else to_text(price * item.quantity),
        }


class OrderOut(Shown):
    id: str
    status: str
    items: list[OrderItemOut]
    total: str | None
    currency: str
    placed_at: str | None

    @classmethod
    def of(cls, order: Order) -> Self:
        return cls.model_validate(cls.shape(ShownOrder.of(order)))

    @staticmethod
    def shape(order: ShownOrder) -> dict[str, Any]:
        """The same as plain values: a list's models would cost more than all else in it."""
        total = order.total_minor
        return {
            "id": order.id,
            "status": order.status,
            "items": [OrderItemOut.shape(item) for item in order.items],
            "total": None if total is None else to_text(total),
            "currency": order.currency,
            "placed_at": order.placed_at,
        }


class OrdersOut(Shown):
    items: list[OrderOut]
    next_cursor: str | None

    @staticmethod
    def shape(orders: Iterable[ShownOrder], *, next_cursor: str | None) -> dict[str, Any]:
        """The same as plain values; see ``OrderOut``."""
        return {"items": [OrderOut.shape(order) for order in orders], "next_cursor": next_cursor}


class ProductTotalOut(Shown):
    product_id: int
    total_quantity: int
