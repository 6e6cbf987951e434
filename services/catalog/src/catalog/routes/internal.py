# SPDX-License-Identifier: Apache-2.0
"""What only other services may call. The gateway does not know these paths."""

from collections import Counter
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, jsonify

from catalog import queries
from catalog.commands.reservations import Wish, reserve_stock
from catalog.models import Product
from catalog.schemas import ReservationIn, ResolveQuery
from common.access import internal
from common.app import database
from common.problems import Problem, Unprocessable

blueprint = APIBlueprint("internal", __name__, url_prefix="/internal", enable_openapi=False)

MOST_REFS = 200


@blueprint.put("/reservations/<uuid:order_id>")
@internal
@blueprint.input(ReservationIn, arg_name="wanted")
def put_reservation(order_id: UUID, wanted: ReservationIn) -> Response:
    """Hold an order's stock. The id is in the address: asking again is safe."""
    answer = database().run(reserve_stock, order_id=order_id, wish=_wish(wanted))
    if isinstance(answer, Problem):
        raise answer
    return jsonify(answer)


@blueprint.get("/products/resolve")
@internal
@blueprint.input(ResolveQuery, location="query", arg_name="wanted")
def get_resolved(wanted: ResolveQuery) -> Response:
    """What clients' names for products mean now; unknown names are left out."""
    refs = [ref for ref in wanted.refs.split(",") if ref]
    if len(refs) > MOST_REFS:
        raise Unprocessable(errors={"refs": [f"at most {MOST_REFS}"]})
    found = database().read(queries.products_by_ref, refs)
    return jsonify({"items": [_resolved(ref, product) for ref, product in found.items()]})


def _wish(wanted: ReservationIn) -> Wish:
    lines: Counter[int] = Counter()
    for line in wanted.items:
        lines[line.product_id] += line.quantity
    prices = {
        line.product_id: line.expected_price
        for line in wanted.items
        if line.expected_price is not None
    }
    return Wish(lines=dict(lines), prices=prices, total=wanted.expected_total)


def _resolved(ref: str, product: Product) -> dict[str, object]:
    return {
        "ref": ref,
        "product_id": product.id,
        "public_id": product.public_id,
        "sku": product.sku,
        "name": product.name,
        "price": product.price_minor,
        "currency": product.currency,
        "available": product.stock.available,
    }
