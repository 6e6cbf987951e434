# SPDX-License-Identifier: Apache-2.0
"""S2, Catalog microservice: the seller's own products. What else it has is the same as S1's."""

from apiflask import APIBlueprint
from flask import Response

from catalog.routes.seeds import seed_list
from catalog.seed_schemas import SeedProductsOut
from common.access import identity, requires
from common.seeds.lists import SeedPage

blueprint = APIBlueprint("s2", __name__, tag="S2 Catalog microservice")


@blueprint.get("/api/products/my")
@requires()
@blueprint.input(SeedPage, location="query", arg_name="wanted")
@blueprint.output(SeedProductsOut)
def get_my_products(wanted: SeedPage) -> Response:
    """List the caller's own products."""
    return seed_list(wanted, seller_id=identity().user_id)
