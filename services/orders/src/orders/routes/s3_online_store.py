# SPDX-License-Identifier: Apache-2.0
"""S3's carts and orders. S3 knows no keys: a click is an order, and a double click is one."""

from dataclasses import replace

from apiflask import APIBlueprint
from flask import Response

from common.access import public
from common.app import database
from common.idempotency import (
    IdempotencyKeyInvalid,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    InProgress,
    Key,
    read_key,
)
from common.identifiers import uuid7
from common.problems import Forbidden, TokenExpired, TokenInvalid, TokenMissing
from common.spec import refuses
from orders import answers
from orders.commands.carts import add_cart_lines, remove_cart_line
from orders.current import catalog, checkout
from orders.errors import (
    CartFull,
    CustomerNotFound,
    EmptyOrder,
    InsufficientStock,
    NotInCart,
    OrderTooLarge,
    ProductNotFound,
)
from orders.schemas import IdempotencyHeader, OrderIn, ProductTotalOut
from orders.seed_schemas import CartAddIn, CartRemoveIn, OrderAddIn, S3CartOut, S3OrderOut
from orders.shoppers import customer_of, shoppers
from orders.shown import cart_and_products, placed, product_total

blueprint = APIBlueprint("s3", __name__, tag="S3 Online store")

STRANGERS = (TokenMissing, TokenExpired, TokenInvalid, Forbidden, CustomerNotFound)
"""How a call says no to whoever may not touch this customer's things."""


@blueprint.get("/cart/<int:customer_id>")
@shoppers
@refuses(*STRANGERS)
@blueprint.output(S3CartOut)
def get_cart(customer_id: int) -> S3CartOut:
    """A customer's cart, with names, prices and stock as they are now."""
    return _cart_of(customer_of(customer_id))


@blueprint.post("/cart/add")
@shoppers
@refuses(*STRANGERS, ProductNotFound, CartFull)
@blueprint.input(CartAddIn, arg_name="wanted")
@blueprint.output(S3CartOut, status_code=201)
def post_cart_add(wanted: CartAddIn) -> S3CartOut:
    """Want so many units more of a product. A cart may want more than there is."""
    customer_id = customer_of(wanted.customer_id)
    product = catalog().product(str(wanted.product_id))
    units = {product.product_id: wanted.quantity}
    database().run(add_cart_lines, customer_id=customer_id, units=units)
    return _cart_of(customer_id)


@blueprint.post("/cart/remove")
@shoppers
@refuses(*STRANGERS, ProductNotFound, NotInCart)
@blueprint.input(CartRemoveIn, arg_name="unwanted")
@blueprint.output(S3CartOut)
def post_cart_remove(unwanted: CartRemoveIn) -> S3CartOut:
    """Take a product out of the cart."""
    customer_id = customer_of(unwanted.customer_id)
    ref = str(unwanted.product_id)
    product_id = catalog().product_ids([ref])[ref]
    database().run(remove_cart_line, customer_id=customer_id, product_id=product_id)
    return _cart_of(customer_id)


@blueprint.post("/order/add")
@shoppers
@refuses(
    *(*STRANGERS, ProductNotFound, InsufficientStock, InProgress, EmptyOrder, OrderTooLarge),
    *(IdempotencyKeyMissing, IdempotencyKeyInvalid, IdempotencyKeyReused),
)
@blueprint.input(OrderAddIn, arg_name="wanted")
@blueprint.input(IdempotencyHeader, location="headers", arg_name="sent")
@blueprint.output(S3OrderOut, status_code=201)
def post_order_add(wanted: OrderAddIn, sent: IdempotencyHeader) -> Response:
    """Order all that is in the cart, or nothing of it. A double click is one order.

    Every call is a request of its own, unless it brings an Idempotency-Key; see `POST /v1/orders`.
    """
    customer_id = customer_of(wanted.customer_id)
    word = str(uuid7()) if sent.key is None else read_key(sent.key)
    # A key stands for the same request here and on /v1.
    placement = checkout().place_cart(
        Key(owner_id=customer_id, word=word), fingerprint=OrderIn().fingerprint()
    )
    answer = answers.in_s3_words(placement.answer, customer_id=customer_id)
    return placed(replace(placement, answer=answer))


@blueprint.get("/order/product/<ref>")
@public
@refuses(ProductNotFound)
@blueprint.output(ProductTotalOut)
def get_order_product(ref: str) -> ProductTotalOut:
    """How many units of a product were ordered and not cancelled."""
    return product_total(ref)


def _cart_of(customer_id: int) -> S3CartOut:
    return S3CartOut.of(customer_id, *cart_and_products(customer_id))
