# SPDX-License-Identifier: Apache-2.0
"""What every surface shows, before it is put into that surface's words."""

from collections.abc import Mapping

from flask import Response

from common.app import database
from orders import queries
from orders.catalog import Product
from orders.checkout import Placement
from orders.current import catalog
from orders.queries import CartContent
from orders.schemas import ProductTotalOut


def cart_and_products(customer_id: int) -> tuple[CartContent, Mapping[int, Product]]:
    """A customer's cart, and its products as they are now; what is no longer sold may be missing.

    Raises:
        Unavailable: Catalog does not answer.
    """
    cart = database().read(queries.cart_of, customer_id)
    found = catalog().products(str(number) for number in cart.lines)
    return cart, {product.product_id: product for product in found.values()}


def product_total(ref: str) -> ProductTotalOut:
    """How many units of a product were ordered and not cancelled.

    Raises:
        ProductNotFound: *ref* names none that is for sale.
    """
    product = catalog().product(ref)
    total = database().read(queries.units_sold, product.product_id)
    return ProductTotalOut(product_id=product.product_id, total_quantity=total)


def placed(placement: Placement) -> Response:
    """The answer to a request for an order."""
    is_problem = placement.answer.status >= 400  # noqa: PLR2004 - where HTTP's refusals begin
    kind = "application/problem+json" if is_problem else "application/json"
    response = Response(placement.answer.body, placement.answer.status, content_type=kind)
    if placement.is_replay:
        response.headers["Idempotent-Replayed"] = "true"
    return response
