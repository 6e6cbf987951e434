# SPDX-License-Identifier: Apache-2.0
"""Products, stock and prices on the canonical API."""

import hashlib

import orjson
from apiflask import APIBlueprint
from flask import Response, current_app, url_for

from catalog import queries
from catalog.commands.products import NewProduct, change_product, create_product, delete_product
from catalog.commands.stock import change_stock
from catalog.config import Config
from catalog.errors import (
    BelowReserved,
    ProductNotFound,
    SkuTaken,
    StaleProduct,
    TooManyUnits,
)
from catalog.routes.pages import NOT_MODIFIED, etag, product_page, wanted_version
from catalog.schemas import (
    LedgerEntryOut,
    LedgerOut,
    NewProductIn,
    PriceOut,
    PricesOut,
    ProductChangesIn,
    ProductOut,
    ProductQuery,
    ProductsOut,
    StockChangeIn,
    StockOut,
)
from common.access import identity, public, requires
from common.app import cursors, database
from common.money import to_text
from common.problems import Forbidden, Unprocessable
from common.schemas import Page
from common.spec import refuses

blueprint = APIBlueprint("v1", __name__, url_prefix="/v1/products", tag="products")

PRICES_SHOWN = 200

Answer = tuple[ProductOut, int, dict[str, str]]


@blueprint.get("")
@public
@blueprint.input(ProductQuery, location="query", arg_name="wanted")
@blueprint.output(ProductsOut)
def get_products(wanted: ProductQuery) -> Response:
    """List products, newest first unless asked otherwise."""
    filters = _filters(wanted)
    listing = _listing(wanted)
    after = cursors().read(listing, wanted.cursor) if wanted.cursor else None
    page = database().look(queries.list_products, filters=filters, limit=wanted.limit, after=after)
    shown = page[: wanted.limit]
    more = len(page) > wanted.limit
    position = queries.position_of(shown[-1], wanted.sort) if more else None
    cursor = cursors().make(listing, position) if position else None
    body = orjson.dumps(ProductsOut.shape(shown, next_cursor=cursor))
    return Response(body, content_type="application/json")


@blueprint.post("")
@requires()
@refuses(SkuTaken)
@blueprint.input(NewProductIn, arg_name="wanted")
@blueprint.output(ProductOut, status_code=201)
def post_product(wanted: NewProductIn) -> Answer:
    """Put a product up for sale."""
    seller = identity()
    config: Config = current_app.extensions["config"]
    product = database().run(
        create_product,
        new=NewProduct(**wanted.model_dump()),
        seller_id=seller.user_id,
        seller_name=seller.username,
        currency=config.currency,
    )
    location = url_for("v1.get_product", ref=product.public_id)
    return ProductOut.of(product), 201, {"Location": location, "ETag": etag(product)}


@blueprint.get("/<ref>")
@public
@refuses(ProductNotFound)
@blueprint.doc(responses=NOT_MODIFIED)
@blueprint.output(ProductOut)
def get_product(ref: str) -> Response:
    """Read one product. The gateway records the view."""
    return product_page("v1", ref, ProductOut.shape)


@blueprint.patch("/<ref>")
@requires()
@refuses(Forbidden, ProductNotFound, SkuTaken, StaleProduct)
@blueprint.input(ProductChangesIn, arg_name="wanted")
@blueprint.output(ProductOut)
def patch_product(ref: str, wanted: ProductChangesIn) -> Answer:
    """Change a product; all admins get a mail of what changed."""
    changes = {name: getattr(wanted, name) for name in wanted.model_fields_set}
    product = database().read(queries.product_by_ref, ref)
    changed = database().run(
        change_product,
        product_id=product.id,
        changes=changes,
        actor=identity(),
        if_version=wanted_version(product),
    )
    return ProductOut.of(changed), 200, {"ETag": etag(changed)}


@blueprint.delete("/<ref>")
@requires()
@refuses(Forbidden, ProductNotFound)
@blueprint.output({}, status_code=204)
def delete_one_product(ref: str) -> tuple[str, int]:
    """Take a product off sale; orders keep their history."""
    product = database().read(queries.product_by_ref, ref)
    database().run(delete_product, product_id=product.id, actor=identity())
    return "", 204


@blueprint.post("/<ref>/stock")
@requires()
@refuses(Forbidden, ProductNotFound, BelowReserved, TooManyUnits)
@blueprint.input(StockChangeIn, arg_name="wanted")
@blueprint.output(StockOut)
def post_stock(ref: str, wanted: StockChangeIn) -> StockOut:
    """Add or take away units, or say how many there are."""
    product = database().read(queries.product_by_ref, ref)
    stock = database().run(
        change_stock,
        product_id=product.id,
        actor=identity(),
        delta=wanted.delta,
        exactly=wanted.exactly,
        reason=wanted.reason,
    )
    return StockOut.of(stock)


@blueprint.get("/<ref>/stock/ledger")
@requires()
@refuses(Forbidden, ProductNotFound)
@blueprint.input(Page, location="query", arg_name="wanted")
@blueprint.output(LedgerOut)
def get_ledger(ref: str, wanted: Page) -> LedgerOut:
    """Every change of the units on hand, newest first."""
    product = database().read(queries.product_by_ref, ref)
    if not identity().is_admin and product.seller_id != identity().user_id:
        raise Forbidden
    listing = f"ledger/{product.id}"
    before = cursors().read(listing, wanted.cursor)[0] if wanted.cursor else None
    page = database().read(
        queries.ledger_of, product_id=product.id, limit=wanted.limit, before=before
    )
    more = len(page) > wanted.limit
    return LedgerOut(
        items=[LedgerEntryOut.of(entry) for entry in page[: wanted.limit]],
        next_cursor=cursors().make(listing, [page[wanted.limit - 1].id]) if more else None,
    )


@blueprint.get("/<ref>/prices")
@public
@refuses(ProductNotFound)
@blueprint.output(PricesOut)
def get_prices(ref: str) -> PricesOut:
    """What the product cost, newest first, and the lowest price of the last thirty days."""
    product = database().read(queries.product_by_ref, ref)
    prices = database().read(queries.prices_of, product_id=product.id, limit=PRICES_SHOWN)
    lowest = database().read(queries.lowest_price, product_id=product.id)
    return PricesOut(
        items=[PriceOut.of(price) for price in prices],
        lowest_30d=to_text(lowest) if lowest is not None else None,
    )


def _filters(wanted: ProductQuery) -> queries.Filters:
    if wanted.q is not None and not wanted.words():
        raise Unprocessable(errors={"q": ["must contain a word"]})
    seller = wanted.seller or ""
    by_id = seller.isascii() and seller.isdigit()
    return queries.Filters(
        words=wanted.words(),
        seller_id=int(seller) if by_id else None,
        seller_name=None if by_id else wanted.seller,
        mark=wanted.mark,
        min_price=wanted.min_price,
        max_price=wanted.max_price,
        in_stock=wanted.in_stock,
        sort=wanted.sort,
    )


def _listing(wanted: ProductQuery) -> str:
    """The list's name and filters in few characters: its cursors are good for no other."""
    filters = orjson.dumps(wanted.model_dump(exclude={"cursor", "limit"}))
    return "products/" + hashlib.sha256(filters).hexdigest()[:16]
