# SPDX-License-Identifier: Apache-2.0
"""Orders' side of the audit; analytics asks for it."""

from typing import Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, jsonify
from pydantic import Field

from common.access import internal
from common.app import database
from common.audit import Violation, examine
from common.repairs import repair_one
from common.schemas import Query, Schema
from orders import audit
from orders.repair import TELLINGS

blueprint = APIBlueprint("audit", __name__, url_prefix="/internal/audit", enable_openapi=False)


class Orders(Query):
    after: UUID | None = None
    limit: int = Field(default=1000, ge=1, le=5000)


@blueprint.get("")
@internal
def get_checks() -> Response:
    """What must be true of orders, and what breaks it."""
    checks = examine(database(), audit.INVARIANTS)
    return jsonify({"checks": [check.model_dump() for check in checks]})


@blueprint.get("/orders")
@internal
@blueprint.input(Orders, location="query", arg_name="wanted")
def get_orders(wanted: Orders) -> Response:
    """Orders of every status by id, page by page."""
    found = database().read(audit.list_orders, after=wanted.after, limit=wanted.limit)
    return jsonify({"items": found})


class Telling(Schema):
    """What analytics found, and what should be told again; none is the order's last word."""

    rule: str = Field(max_length=64)
    violation: Violation
    event: Literal["OrderPlaced", "OrderCancelled"] | None = None
    dry_run: bool = True


@blueprint.post("/tellings")
@internal
@blueprint.input(Telling, arg_name="wanted")
def post_telling(wanted: Telling) -> Response:
    """Tell again what became of an order, or only say what would be told."""
    telling, apply = TELLINGS[wanted.event], not wanted.dry_run
    outcome = repair_one(database(), wanted.rule, wanted.violation, telling, apply=apply)
    return jsonify({"outcome": outcome.model_dump() if outcome else None})
