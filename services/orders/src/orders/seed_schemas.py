# SPDX-License-Identifier: Apache-2.0
"""What the seed surfaces take and show: S0's and S3's words, and money as JSON numbers."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, WithJsonSchema, model_validator

from common.money import to_number
from common.schemas import Schema, Shown
from orders.catalog import MOST_ID, Product
from orders.models import MOST_LINES
from orders.queries import CartContent
from orders.schemas import OrderItemOut, OrderOut, ProductId, ProductRef, Quantity

CustomerId = Annotated[int, Field(ge=1, le=MOST_ID)]
Number = Annotated[int | float, WithJsonSchema({"type": "number"})]


def _like(example: dict[str, Any]) -> Any:
    """The common manners of a body, with the seed's own as its example."""
    return Schema.model_config | {"json_schema_extra": {"examples": [example]}}


class S0LineIn(Schema):
    """So many units of a product, by its id or any other name; one where nothing is said."""

    product_id: ProductId | ProductRef
    quantity: Quantity = 1


class S0CartIn(Schema):
    """One product to add to the cart, or a list of them."""

    model_config = _like({"product_id": 1, "quantity": 1})

    product_id: ProductId | ProductRef | None = None
    quantity: Annotated[Quantity | None, Field(description="1 where nothing is said.")] = None
    items: Annotated[list[S0LineIn], Field(min_length=1, max_length=MOST_LINES)] | None = None

    @model_validator(mode="after")
    def _say_what(self) -> Self:
        if (self.items is None) == (self.product_id is None):
            raise ValueError("name a product_id or items, one of the two")
        if self.items is not None and self.quantity is not None:
            raise ValueError("each of the items has a quantity of its own")
        return self

    def wishes(self) -> list[tuple[str, int]]:
        """What each product is called, and how many more units of it are wanted."""
        if self.items is None:
            return [(str(self.product_id), self.quantity or 1)]
        return [(str(line.product_id), line.quantity) for line in self.items]


class CartAddIn(Schema):
    model_config = _like({"customer_id": 1, "product_id": 1, "quantity": 1})

    customer_id: CustomerId
    product_id: ProductId | ProductRef
    quantity: Quantity


class CartRemoveIn(Schema):
    model_config = _like({"customer_id": 1, "product_id": 1})

    customer_id: CustomerId
    product_id: ProductId | ProductRef


class OrderAddIn(Schema):
    model_config = _like({"customer_id": 1})

    customer_id: CustomerId


class SeedCartLineOut(Shown):
    """A line as the product is now. One that is no longer for sale has no price."""

    product_id: int
    product_name: str | None
    quantity: int
    price: Number | None
    available: int

    @classmethod
    def of(cls, product_id: int, quantity: int, product: Product | None) -> Self:
        is_sold = product is not None and not product.deleted
        return cls(
            product_id=product_id,
            product_name=product.name if product else None,
            quantity=quantity,
            price=to_number(product.price) if product and is_sold else None,
            available=product.available if product and is_sold else 0,
        )


def _lines_of(cart: CartContent, products: Mapping[int, Product]) -> list[SeedCartLineOut]:
    return [
        SeedCartLineOut.of(number, units, products.get(number))
        for number, units in cart.lines.items()
    ]


class S0CartOut(Shown):
    user_id: int
    items: list[SeedCartLineOut]
    total: Number

    @classmethod
    def of(cls, user_id: int, cart: CartContent, products: Mapping[int, Product]) -> Self:
        return cls(
            user_id=user_id,
            items=_lines_of(cart, products),
            total=to_number(cart.total(products)),
        )


class S3CartOut(Shown):
    customer_id: int
    items: list[SeedCartLineOut]

    @classmethod
    def of(cls, customer_id: int, cart: CartContent, products: Mapping[int, Product]) -> Self:
        return cls(customer_id=customer_id, items=_lines_of(cart, products))


class S3OrderItemOut(Shown):
    product_id: int
    product_name: str | None
    sku: str | None
    quantity: int
    price: Number | None
    subtotal: Number | None

    @classmethod
    def of(cls, item: OrderItemOut) -> Self:
        return cls(
            product_id=item.product_id,
            product_name=item.name,
            sku=item.sku,
            quantity=item.quantity,
            price=_number(item.unit_price),
            subtotal=_number(item.subtotal),
        )


class S3OrderOut(Shown):
    """An order in S3's words, made from the answer that is stored under its key."""

    order_id: str
    customer_id: int
    items: list[S3OrderItemOut]
    total: Number | None
    status: str

    @classmethod
    def of(cls, customer_id: int, order: OrderOut) -> Self:
        return cls(
            order_id=order.id,
            customer_id=customer_id,
            items=[S3OrderItemOut.of(item) for item in order.items],
            total=_number(order.total),
            status=order.status,
        )


def _number(amount: str | None) -> int | float | None:
    """``/v1``'s decimal string as a JSON number."""
    return None if amount is None else to_number(int(amount.replace(".", "")))
