# SPDX-License-Identifier: Apache-2.0
"""Catalog's side of the audit; analytics asks for it."""

from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, jsonify
from pydantic import Field

from catalog import audit
from common.access import internal
from common.app import database
from common.audit import examine
from common.schemas import Query

blueprint = APIBlueprint("audit", __name__, url_prefix="/internal/audit", enable_openapi=False)


class Reservations(Query):
    after: UUID | None = None
    limit: int = Field(default=1000, ge=1, le=5000)


class Ledger(Query):
    after: int = Field(default=0, ge=0)
    limit: int = Field(default=1000, ge=1, le=5000)


@blueprint.get("")
@internal
def get_checks() -> Response:
    """What must be true of the stock, and what breaks it."""
    checks = examine(database(), audit.INVARIANTS)
    return jsonify({"checks": [check.model_dump() for check in checks]})


@blueprint.get("/reservations")
@internal
@blueprint.input(Reservations, location="query", arg_name="wanted")
def get_reservations(wanted: Reservations) -> Response:
    """Reservations by order id, page by page."""
    found = database().read(audit.list_reservations, after=wanted.after, limit=wanted.limit)
    return jsonify({"items": found})


@blueprint.get("/ledger")
@internal
@blueprint.input(Ledger, location="query", arg_name="wanted")
def get_entries(wanted: Ledger) -> Response:
    """Ledger entries by id, page by page."""
    found = database().read(audit.list_ledger, after=wanted.after, limit=wanted.limit)
    return jsonify({"items": found})
