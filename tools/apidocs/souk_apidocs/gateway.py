# SPDX-License-Identifier: Apache-2.0
"""What the gateway answers itself. No code of a service says this, so it is written here."""

from typing import Any

TAGS = ["Gateway"]

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ANY_OTHER = {"description": "Any other refusal.", "content": _PROBLEM}

_CHECK = {
    "type": "object",
    "required": ["ok"],
    "properties": {"ok": {"type": "boolean"}},
}
_READINESS = {
    "type": "object",
    "required": ["ok"],
    "properties": {"ok": {"type": "boolean"}, "services": {"type": "object"}},
}


def _operation(
    name: str, summary: str, content: dict[str, Any], *, down: dict[str, Any] | None = None
) -> dict[str, Any]:
    responses: dict[str, Any] = {
        "200": {"description": "Successful response", "content": content},
        "default": _ANY_OTHER,
    }
    if down:
        responses["503"] = {
            "description": "Something is down; the body says what.",
            "content": down,
        }
    return {
        "get": {
            "tags": TAGS,
            "summary": summary,
            "operationId": f"gateway_{name}",
            "security": [],
            "parameters": [],
            "responses": responses,
        }
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


PATHS: dict[str, Any] = {
    "/healthz": _operation("get_healthz", "Whether the gateway is up.", _json(_CHECK)),
    "/readyz": _operation(
        "get_readyz",
        "Whether every service, and what it needs, is up.",
        _json(_READINESS),
        down=_json(_READINESS),
    ),
    "/openapi.json": _operation(
        "get_openapi", "This document.", _json({"type": "object", "required": ["openapi"]})
    ),
    "/docs": _operation(
        "get_docs", "A page to read and try it.", {"text/html": {"schema": {"type": "string"}}}
    ),
}
