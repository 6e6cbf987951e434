# SPDX-License-Identifier: Apache-2.0
"""What only other services may call. The gateway does not know these paths."""

from collections import Counter
from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, current_app, jsonify, request

from catalog import queries
from catalog.commands.reservations import Asked, Reserved, Wish
from catalog.models import Product
from catalog.schemas import OrderReservationIn, ReservationIn, ReservationsIn, ResolveQuery
from common.access import internal
from common.app import database
from common.context import Trace, current_trace, traced
from common.problems import Unprocessable
from common.refusals import problem_of

blueprint = APIBlueprint("internal", __name__, url_prefix="/internal", enable_openapi=False)

MOST_REFS = 200


@blueprint.put("/reservations")
@internal
@blueprint.input(ReservationsIn, arg_name="wanted")
def put_reservations(wanted: ReservationsIn) -> Response:
    """Hold the stock of many orders. Each has its own answer, and asking again is safe."""
    asked = [
        Asked(order_id=one.order_id, wish=_wish(one), trace=_trace(one))
        for one in wanted.reservations
    ]
    outcomes = current_app.extensions["reservations"].submit_all(asked)
    pairs = zip(asked, outcomes, strict=True)
    return jsonify({"answers": [_said(one, outcome) for one, outcome in pairs]})


@blueprint.put("/reservations/<uuid:order_id>")
@internal
@blueprint.input(ReservationIn, arg_name="wanted")
def put_reservation(order_id: UUID, wanted: ReservationIn) -> Response:
    """Hold one order's stock, for an orders service that is still to be upgraded."""
    asked = Asked(order_id=order_id, wish=_wish(wanted), trace=current_trace())
    return jsonify(current_app.extensions["reservations"].submit(asked))


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


def _said(one: Asked, outcome: Reserved | Exception) -> dict[str, Any]:
    """What one order would have been answered had it come alone."""
    if not isinstance(outcome, Exception):
        return {"status": 200, "body": outcome}
    with traced(one.trace):
        problem = problem_of(outcome)
        return {"status": problem.status, "body": problem.document(instance=request.path)}


def _trace(wanted: OrderReservationIn) -> Trace:
    return Trace(correlation_id=wanted.correlation_id, actor=wanted.actor)


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
