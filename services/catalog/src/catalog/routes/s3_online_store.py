# SPDX-License-Identifier: Apache-2.0
"""S3, Online store: products by what they are called. ``GET /product/{ref}`` is S0's."""

from apiflask import APIBlueprint
from flask import Response, url_for

from catalog import queries
from catalog.commands.products import NewProduct
from catalog.commands.stock import change_stock
from catalog.errors import AmbiguousName, ProductNotFound, TooManyUnits
from catalog.routes.open_store import sellers
from catalog.routes.pages import etag
from catalog.routes.seeds import Answer, put_up_for_sale, seed_list
from catalog.seed_schemas import SeedProductOut, SeedProductsOut, StoreProductIn, StoreStockIn
from common.access import identity, public
from common.app import database
from common.problems import Forbidden, TokenExpired, TokenInvalid, TokenMissing
from common.seeds.lists import SeedPage
from common.spec import refuses

blueprint = APIBlueprint("s3", __name__, url_prefix="/product", tag="S3 Online store")

NO_TOKEN = (TokenMissing, TokenExpired, TokenInvalid)


@blueprint.get("/all")
@public
@blueprint.input(SeedPage, location="query", arg_name="wanted")
@blueprint.output(SeedProductsOut)
def get_all_products(wanted: SeedPage) -> Response:
    """List all products."""
    return seed_list(wanted)


@blueprint.post("/add")
@sellers
@refuses(*NO_TOKEN)
@blueprint.input(StoreProductIn, arg_name="wanted")
@blueprint.output(SeedProductOut, status_code=201)
def post_product(wanted: StoreProductIn) -> Answer:
    """Put a product up for sale, for nothing until it gets a price."""
    product = put_up_for_sale(NewProduct(name=wanted.product_name, price=0, quantity=wanted.stock))
    location = url_for("s0.get_product", ref=product.public_id)
    return SeedProductOut.of(product), 201, {"Location": location, "ETag": etag(product)}


@blueprint.post("/add-stock")
@sellers
@refuses(*NO_TOKEN, Forbidden, ProductNotFound, AmbiguousName, TooManyUnits)
@blueprint.input(StoreStockIn, arg_name="wanted")
@blueprint.output(SeedProductOut)
def post_stock(wanted: StoreStockIn) -> SeedProductOut:
    """Add units to a product, which may be named by what it is called."""
    seller = identity()
    product = database().read(
        queries.product_by_any_name,
        wanted.product_id,
        seller_id=None if seller.is_admin else seller.user_id,
    )
    product.stock = database().run(
        change_stock, product_id=product.id, actor=seller, delta=wanted.stock, reason="restocked"
    )
    return SeedProductOut.of(product)
