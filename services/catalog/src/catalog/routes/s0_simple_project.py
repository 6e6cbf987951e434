# SPDX-License-Identifier: Apache-2.0
"""S0, Simple Project: products to read and to change. A client says what it accepts."""

from apiflask import APIBlueprint
from flask import Response

from catalog.errors import ProductNotFound, SkuTaken, StaleProduct, TooManyUnits
from catalog.routes.pages import NOT_MODIFIED
from catalog.routes.seeds import Answer, change_as_wanted, seed_list, seed_page
from catalog.seed_schemas import SeedChangesIn, SeedProductOut, SeedProductsOut
from common.access import public, requires
from common.problems import Forbidden, Unprocessable
from common.seeds.accept import AcceptMissing, must_accept
from common.seeds.lists import SeedPage
from common.spec import refuses

blueprint = APIBlueprint("s0", __name__, tag="S0 Simple Project")
blueprint.before_request(must_accept)


@blueprint.get("/products")
@public
@refuses(AcceptMissing)
@blueprint.input(SeedPage, location="query", arg_name="wanted")
@blueprint.output(SeedProductsOut)
def get_products(wanted: SeedPage) -> Response:
    """List all products."""
    return seed_list(wanted)


@blueprint.get("/product/<ref>")
@public
@refuses(AcceptMissing, ProductNotFound)
@blueprint.doc(responses=NOT_MODIFIED)
@blueprint.output(SeedProductOut)
def get_product(ref: str) -> Response:
    """Read one product, if it changed. The gateway records the view."""
    return seed_page(ref)


@blueprint.put("/product/<ref>")
@requires()
@refuses(AcceptMissing, Forbidden, ProductNotFound, StaleProduct, TooManyUnits)
@blueprint.input(SeedChangesIn, arg_name="wanted")
@blueprint.output(SeedProductOut)
def put_product(ref: str, wanted: SeedChangesIn) -> Answer:
    """Change what is named of a product; all admins get a mail of it."""
    try:
        return change_as_wanted(ref, wanted)
    except SkuTaken as taken:
        # This seed's table of statuses has no 409.
        raise Unprocessable(errors={"sku": [taken.detail]}) from taken
