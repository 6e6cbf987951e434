# SPDX-License-Identifier: Apache-2.0
"""S1, Marketplace: products under ``/api``. S2's clients create and delete here too."""

from apiflask import APIBlueprint
from flask import Response, url_for

from catalog import queries
from catalog.commands.products import NewProduct, delete_product
from catalog.errors import ProductNotFound, SkuTaken, StaleProduct, TooManyUnits
from catalog.routes.pages import NOT_MODIFIED, etag
from catalog.routes.seeds import (
    Answer,
    change_as_wanted,
    put_up_for_sale,
    seed_list,
    seed_page,
)
from catalog.seed_schemas import (
    SeedChangesIn,
    SeedDeletedOut,
    SeedNewProductIn,
    SeedProductOut,
    SeedProductsOut,
)
from common.access import identity, public, requires
from common.app import database
from common.problems import Forbidden
from common.seeds.lists import SeedPage
from common.spec import refuses

blueprint = APIBlueprint("s1", __name__, url_prefix="/api/products", tag="S1 Marketplace")


@blueprint.get("")
@public
@blueprint.input(SeedPage, location="query", arg_name="wanted")
@blueprint.output(SeedProductsOut)
def get_products(wanted: SeedPage) -> Response:
    """List all products."""
    return seed_list(wanted)


@blueprint.get("/<ref>")
@public
@refuses(ProductNotFound)
@blueprint.doc(responses=NOT_MODIFIED)
@blueprint.output(SeedProductOut)
def get_product(ref: str) -> Response:
    """Read one product. The gateway records the view."""
    return seed_page(ref)


@blueprint.post("")
@requires()
@refuses(SkuTaken)
@blueprint.input(SeedNewProductIn, arg_name="wanted")
@blueprint.output(SeedProductOut, status_code=201)
def post_product(wanted: SeedNewProductIn) -> Answer:
    """Put a product up for sale; all admins get a mail of it."""
    product = put_up_for_sale(NewProduct(**wanted.model_dump()))
    location = url_for("s1.get_product", ref=product.public_id)
    return SeedProductOut.of(product), 201, {"Location": location, "ETag": etag(product)}


@blueprint.put("/<ref>")
@requires()
@refuses(Forbidden, ProductNotFound, SkuTaken, StaleProduct, TooManyUnits)
@blueprint.input(SeedChangesIn, arg_name="wanted")
@blueprint.output(SeedProductOut)
def put_product(ref: str, wanted: SeedChangesIn) -> Answer:
    """Change what is named of a product; all admins get a mail of it."""
    return change_as_wanted(ref, wanted)


@blueprint.delete("/<ref>")
@requires()
@refuses(Forbidden, ProductNotFound)
@blueprint.output(SeedDeletedOut)
def delete_one_product(ref: str) -> SeedDeletedOut:
    """Take an own product off sale; an admin may take any. All admins get a mail of it."""
    product = database().read(queries.product_by_ref, ref)
    database().run(delete_product, product_id=product.id, actor=identity())
    return SeedDeletedOut(message="The product is no longer for sale.", id=product.id)
