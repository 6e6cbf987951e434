# SPDX-License-Identifier: Apache-2.0
"""S0's carts, under the name that S0 gives them."""

from collections import Counter

from apiflask import APIBlueprint
from flask import Response, jsonify, request

from common.access import requires
from common.app import database
from common.problems import Forbidden
from common.seeds.accept import AcceptMissing, must_accept
from common.spec import refuses
from orders.commands.carts import add_cart_lines
from orders.current import catalog
from orders.errors import CartFull, CustomerNotFound, ProductNotFound
from orders.seed_schemas import S0CartIn, S0CartOut
from orders.shoppers import customer_of
from orders.shown import cart_and_products

blueprint = APIBlueprint("s0", __name__, tag="S0 Simple Project")
blueprint.before_request(must_accept)


@blueprint.get("/addToCars/<int:user_id>")
@requires()
@refuses(AcceptMissing, Forbidden, CustomerNotFound)
@blueprint.doc(responses={304: "The cart is still what the ETag in If-None-Match names."})
@blueprint.output(S0CartOut)
def get_cart(user_id: int) -> Response:
    """A user's cart, with names, prices and stock as they are now."""
    response = jsonify(_cart_of(customer_of(user_id)).model_dump())
    response.add_etag()
    response.make_conditional(request)
    return response


@blueprint.post("/addToCars/<int:user_id>")
@requires()
@refuses(AcceptMissing, Forbidden, CustomerNotFound, ProductNotFound, CartFull)
@blueprint.input(S0CartIn, arg_name="wanted")
@blueprint.output(S0CartOut, status_code=201)
def post_cart(user_id: int, wanted: S0CartIn) -> S0CartOut:
    """Add products to a user's cart, all of them or none."""
    customer_id = customer_of(user_id)
    database().run(add_cart_lines, customer_id=customer_id, units=_units(wanted))
    return _cart_of(customer_id)


def _units(wanted: S0CartIn) -> Counter[int]:
    """Units by product id, however the products were called."""
    products = catalog().for_sale(ref for ref, _ in wanted.wishes())
    units: Counter[int] = Counter()
    for ref, quantity in wanted.wishes():
        units[products[ref].product_id] += quantity
    return units


def _cart_of(customer_id: int) -> S0CartOut:
    return S0CartOut.of(customer_id, *cart_and_products(customer_id))
