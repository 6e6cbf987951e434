# SPDX-License-Identifier: Apache-2.0
"""The one API document: every service's paths and the gateway's own, behind one address."""

from collections import Counter
from importlib.metadata import version
from typing import Any

from souk_apidocs import components, gateway, headers
from souk_apidocs.groups import GROUPS, groups_of
from souk_apidocs.refusals import refusals_of
from souk_apidocs.services import SERVICES, document_of

METHODS = ("get", "post", "put", "patch", "delete")
NO_BODY = frozenset({"204", "304"})
HIDDEN = ("/internal/", "/metrics", "/healthz", "/readyz")
"""What the gateway does not let through, or answers itself."""

INFO = {
    "title": "Souk",
    "summary": "A marketplace that never sells what it does not have.",
    "description": (
        "One address for everything: the canonical API under `/v1`, and five older APIs (S0 to S4) "
        "on their own paths, over the same products, users and orders.\n\n"
        "Errors are RFC 9457 problems with a stable `code`; S4 answers in its own envelope. "
        "Every answer has an `X-Request-Id`. Paths work with and without a slash at their end. "
        'On `/v1` money is a decimal string beside its `currency`: `"12.50"`, `"USD"`; '
        "on the older paths it is a number."
    ),
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}

TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": (
        "An access token (ES256, ten minutes) from signing up or logging in: "
        "`Authorization: Bearer …`. The token alone, without `Bearer`, is taken too."
    ),
}


def build() -> dict[str, Any]:
    """The document, the same for the same code, whoever makes it and wherever."""
    document = merge({service: document_of(service) for service in SERVICES})
    headers.add(document["paths"])
    return document


def merge(documents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One document out of those of the services, by service.

    Raises:
        ValueError: Two services answer the same call, or an operation belongs to no group.
    """
    schemas, names = components.merge(documents)
    paths: dict[str, Any] = {}
    for service, document in documents.items():
        for path, operations in document["paths"].items():
            if path.startswith(HIDDEN):
                continue
            known = paths.setdefault(path, {})
            for method, operation in operations.items():
                if method in known:
                    raise ValueError(f"two services answer {method.upper()} {path}")
                found = components.renamed(operation, service, names)
                tags = groups_of(method, path, operation.get("tags", []))
                _body_may_be_left_out(found, schemas)
                known[method] = {**found, "tags": tags, "security": _security(found)}
    paths |= gateway.PATHS
    _name_apart(paths)
    return {
        "openapi": "3.1.0",
        "info": {**INFO, "version": version("souk-common")},
        "servers": [{"url": "/", "description": "The gateway that serves this document"}],
        "tags": [{"name": name, "description": text} for name, text in GROUPS.items()],
        "paths": _in_order(paths),
        "components": {
            "schemas": components.used(schemas, paths),
            "securitySchemes": {"token": TOKEN},
        },
    }


def operations_of(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Every operation as (method, path, operation), in the document's order."""
    return [
        (method, path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def _security(operation: dict[str, Any]) -> list[dict[str, list[str]]]:
    """What the route asks for; where only some callers need a token, a token or none."""
    asked: list[dict[str, list[str]]] = operation["security"]
    lacks_token = any(code == "token_missing" for _, code, _ in refusals_of(operation))
    return [{"token": []}, {}] if lacks_token and not asked else asked


def _body_may_be_left_out(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """No body is an empty object, so only a body that needs a field is needed itself."""
    body = operation.get("requestBody", {})
    for media in body.get("content", {}).values():
        name = media["schema"].get("$ref", "").removeprefix(components.PREFIX)
        body["required"] = bool(schemas.get(name, media["schema"]).get("required"))


def _name_apart(paths: dict[str, Any]) -> None:
    """Give operations of one name more of a name, until every name is unique."""
    everything = [
        (method, operation)
        for operations in paths.values()
        for method, operation in operations.items()
    ]
    counts = Counter(operation["operationId"] for _, operation in everything)
    for method, operation in everything:
        if counts[operation["operationId"]] > 1:
            operation["operationId"] += f"_by_{method}"


def _in_order(paths: dict[str, Any]) -> dict[str, Any]:
    """By group, then by path: the order in which people see them."""
    groups = list(GROUPS)
    whole = {
        path: {
            method: _operation_in_order(operations[method])
            for method in METHODS
            if method in operations
        }
        for path, operations in paths.items()
    }

    def place(path: str) -> tuple[int, str]:
        return min(groups.index(one["tags"][0]) for one in whole[path].values()), path.replace(
            ".", "~"
        )

    return {path: whole[path] for path in sorted(whole, key=place)}


def _operation_in_order(operation: dict[str, Any]) -> dict[str, Any]:
    order = ("tags", "summary", "description", "operationId", "security", "parameters")
    last = {"responses": dict(sorted(operation["responses"].items()))}
    for status in NO_BODY & last["responses"].keys():
        last["responses"][status] = {"description": last["responses"][status]["description"]}
    first = {name: operation[name] for name in order if operation.get(name) not in (None, "")}
    rest = {name: value for name, value in operation.items() if name not in {*first, *last}}
    return first | {name: value for name, value in rest.items() if name not in order} | last
