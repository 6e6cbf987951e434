# SPDX-License-Identifier: Apache-2.0
"""Carts and orders on ``/v1``."""

from collections import Counter
from collections.abc import Mapping
from uuid import UUID

import orjson
from apiflask import APIBlueprint
from flask import Response

from common import idempotency
from common.access import identity, requires
from common.app import cursors, database
from common.idempotency import (
    IdempotencyKeyInvalid,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    InProgress,
    Key,
    read_key,
)
from common.problems import Unprocessable
from common.schemas import Page
from common.spec import refuses
from orders import queries
from orders.catalog import product_id_in
from orders.checkout import Placement
from orders.commands.carts import clear_cart, remove_cart_line, set_cart_line
from orders.commands.orders import cancel_order
from orders.current import catalog, checkout, config
from orders.errors import (
    CartFull,
    EmptyOrder,
    InsufficientStock,
    NotCancellable,
    NotInCart,
    OrderNotFound,
    OrderTooLarge,
    PriceChanged,
    ProductNotFound,
)
from orders.models import MOST_LINES, MOST_UNITS
from orders.schemas import (
    CartLineIn,
    CartOut,
    IdempotencyHeaderNeeded,
    OrderIn,
    OrderOut,
    OrdersOut,
    ProductTotalOut,
)
from orders.shown import cart_and_products, placed, product_total

blueprint = APIBlueprint("v1", __name__, url_prefix="/v1", tag="orders")


@blueprint.get("/cart")
@requires()
@blueprint.output(CartOut)
def get_cart() -> CartOut:
    """The cart, with names, prices and stock as they are now."""
    return _shown_cart()


@blueprint.delete("/cart")
@requires()
@blueprint.output({}, status_code=204)
def delete_cart() -> str:
    """Empty the cart."""
    database().run(clear_cart, customer_id=identity().user_id)
    return ""


@blueprint.put("/cart/items/<ref>")
@requires()
@refuses(ProductNotFound, CartFull)
@blueprint.input(CartLineIn, arg_name="line")
@blueprint.output(CartOut)
def put_cart_item(ref: str, line: CartLineIn) -> CartOut:
    """Want so many units of a product. A cart may want more than there is."""
    product = catalog().product(ref)
    database().run(
        set_cart_line,
        customer_id=identity().user_id,
        product_id=product.product_id,
        quantity=line.quantity,
    )
    return _shown_cart()


@blueprint.delete("/cart/items/<ref>")
@requires()
@refuses(ProductNotFound, NotInCart)
@blueprint.output({}, status_code=204)
def delete_cart_item(ref: str) -> str:
    """Take a product out of the cart."""
    product_id = catalog().product_ids([ref])[ref]
    database().run(remove_cart_line, customer_id=identity().user_id, product_id=product_id)
    return ""


@blueprint.post("/orders")
@requires()
@refuses(
    *(IdempotencyKeyMissing, IdempotencyKeyInvalid, IdempotencyKeyReused, InProgress),
    *(ProductNotFound, InsufficientStock, PriceChanged, EmptyOrder, OrderTooLarge),
)
@blueprint.input(OrderIn, arg_name="wanted")
@blueprint.input(IdempotencyHeaderNeeded, location="headers", arg_name="sent")
@blueprint.output(OrderOut, status_code=201)
def post_order(wanted: OrderIn, sent: IdempotencyHeaderNeeded) -> Response:
    """Order these items, or the cart. Needs an Idempotency-Key; the same key is the same order.

    All lines are taken or none: a refusal for lack of stock names every short line.
    """
    key = Key(owner_id=identity().user_id, word=read_key(sent.key))
    replay = _replay(key, wanted)
    if replay is not None:
        return placed(replay)
    placement = checkout().place(
        key,
        fingerprint=wanted.fingerprint(),
        lines=_lines(wanted),
        expected_total=wanted.expected_total,
    )
    return placed(placement)


@blueprint.get("/orders")
@requires()
@blueprint.input(Page, location="query", arg_name="page")
@blueprint.output(OrdersOut)
def get_orders(page: Page) -> Response:
    """Orders that stand or stood, newest first: one's own, or everybody's for an admin."""
    listing = f"orders of {_whose() or 'all'}"
    before = UUID(cursors().read(listing, page.cursor)[0]) if page.cursor else None
    found = database().look(
        queries.list_orders, customer_id=_whose(), before=before, limit=page.limit + 1
    )
    shown, more = found[: page.limit], found[page.limit :]
    cursor = cursors().make(listing, [shown[-1].id]) if more else None
    body = orjson.dumps(OrdersOut.shape(shown, next_cursor=cursor))
    return Response(body, content_type="application/json")


@blueprint.get("/orders/<uuid:order_id>")
@requires()
@refuses(OrderNotFound)
@blueprint.output(OrderOut)
def get_order(order_id: UUID) -> Response:
    """One order: one's own, or anybody's for an admin."""
    shown = database().look(queries.order_by_id, order_id, customer_id=_whose())
    return Response(orjson.dumps(OrderOut.shape(shown)), content_type="application/json")


@blueprint.post("/orders/<uuid:order_id>/cancel")
@requires()
@refuses(OrderNotFound, NotCancellable, InProgress)
@blueprint.output(OrderOut)
def post_order_cancel(order_id: UUID) -> OrderOut:
    """Take an order back, once; again it is the same cancelled order."""
    return OrderOut.of(database().run(cancel_order, order_id=order_id, customer_id=_whose()))


@blueprint.get("/orders/products/<ref>/total")
@requires()
@refuses(ProductNotFound)
@blueprint.output(ProductTotalOut)
def get_product_total(ref: str) -> ProductTotalOut:
    """How many units of a product were ordered and not cancelled."""
    return product_total(ref)


def _whose() -> int | None:
    """Whose orders the visitor may touch: one's own, and an admin everybody's."""
    return None if identity().is_admin else identity().user_id


def _shown_cart() -> CartOut:
    cart, products = cart_and_products(identity().user_id)
    return CartOut.of(cart, products, config().currency)


def _replay(key: Key, wanted: OrderIn) -> Placement | None:
    """What the key got before, where finding out what it wants would cost a call to catalog.

    A repetition must get its answer also when catalog is away, or a name means another product now.
    """
    if all(product_id_in(ref) is not None for ref in wanted.wishes() or ()):
        return None
    known = database().read(idempotency.find, key)
    if known is None or known.answer is None:
        return None
    known.must_match(wanted.fingerprint())
    return Placement(answer=known.answer, is_replay=True)


def _lines(wanted: OrderIn) -> Mapping[int, int] | None:
    """Units by product id, however the products were called."""
    wishes = wanted.wishes()
    if wishes is None:
        return None
    if not wishes:
        raise EmptyOrder
    ids = catalog().product_ids(wishes)
    lines: Counter[int] = Counter()
    for ref, units in wishes.items():
        lines[ids[ref]] += units
    if len(lines) > MOST_LINES or max(lines.values()) > MOST_UNITS:
        wrong = f"at most {MOST_LINES} products, and {MOST_UNITS} units of each"
        raise Unprocessable(errors={"items": [wrong]})
    return lines
