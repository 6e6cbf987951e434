# SPDX-License-Identifier: Apache-2.0
"""A service's OpenAPI document: what APIFlask finds in the code, with our manners written in."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from apiflask import APIFlask
from werkzeug.routing import Rule

from common.problems import (
    Forbidden,
    MalformedBody,
    Problem,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    Unavailable,
    Unprocessable,
    UnsupportedMediaType,
)
from common.refusals import BadGateway
from common.seeds import SEED_PATH, mithril

V = TypeVar("V", bound=Callable[..., Any])

VARIABLE = re.compile(r"<(?:[^:>]+:)?([^>]+)>")
METHODS = ("get", "post", "put", "patch", "delete")
SCHEME = "token"
NULL = {"type": "null"}


class BodyTooLarge(Problem):
    """Flask's and the gateway's own refusal, named here for the document."""

    status = 413
    code = "request_entity_too_large"
    detail = "The body is too large."


class TooManyRequests(Problem):
    """The gateway's."""

    status = 429
    detail = "Too many requests; see Retry-After."


PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "An RFC 9457 problem. Some refusals have further members, such as `items`.",
    "required": [
        *("type", "title", "status", "detail", "instance"),
        *("request_id", "code", "message", "errors"),
    ],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "request_id": {"type": "string"},
        "code": {"type": "string", "description": "A stable word for programs."},
        "message": {"type": "string", "description": "The same as `detail`."},
        "errors": {"type": "object", "description": "What is wrong with each field."},
    },
}

REFUSAL: dict[str, Any] = {
    "type": "object",
    "description": "How S4 says no.",
    "required": ["message", "code", "data"],
    "additionalProperties": False,
    "properties": {"message": {"type": "string"}, "code": {"type": "integer"}, "data": NULL},
}


def refuses(*problems: type[Problem]) -> Callable[[V], V]:
    """Say in the document with which refusals of the domain a view may answer."""

    def mark(view: V) -> V:
        view.refusals = problems  # type: ignore[attr-defined]
        return view

    return mark


def describe(app: APIFlask, document: dict[str, Any]) -> dict[str, Any]:
    """Complete *document* with who may call what, and with every refusal."""
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(Problem=PROBLEM, Refusal=REFUSAL)
    components["securitySchemes"] = {
        SCHEME: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    for rule in app.url_map.iter_rules():
        operations = document["paths"].get(VARIABLE.sub(r"{\1}", rule.rule), {})
        own = [m for m in METHODS if m in operations and m.upper() in (rule.methods or ())]
        for method in own:
            name = rule.endpoint.replace(".", "_")
            operations[method]["operationId"] = name if len(own) == 1 else f"{name}_by_{method}"
            _complete(operations[method], app, rule)
    return document


def _complete(operation: dict[str, Any], app: APIFlask, rule: Rule) -> None:
    view = app.view_functions[rule.endpoint]
    access = getattr(view, "access", "public")
    operation["security"] = [] if access == "public" else [{SCHEME: []}]
    if access not in {"public", "user"}:
        who = access.replace(",", " or ")
        operation["description"] = f"{operation.get('description', '')}\n\nFor: {who}.".strip()
    refusals = [*_of_access(access), *_of_input(operation), *getattr(view, "refusals", ())]
    responses = operation["responses"]
    has_body = "requestBody" in operation
    for status, lines in sorted(_by_status(rule.rule, refusals, has_body=has_body).items()):
        responses[str(status)] = _refusal(rule.rule, "\n".join(lines))
    responses["default"] = _refusal(rule.rule, "Any other refusal.")
    operation.setdefault("parameters", [])
    if "requestBody" in operation:
        operation["requestBody"].setdefault("required", True)


def _of_access(access: str) -> Iterable[type[Problem]]:
    yield from (TooManyRequests, Unavailable)
    if access != "public":
        yield from (TokenMissing, TokenExpired, TokenInvalid)
    if access not in {"public", "user"}:
        yield Forbidden


def _of_input(operation: dict[str, Any]) -> Iterable[type[Problem]]:
    if "requestBody" in operation:
        yield from (MalformedBody, UnsupportedMediaType, BodyTooLarge, Unprocessable)
    elif any(one.get("in") == "query" for one in operation.get("parameters", ())):
        yield Unprocessable


def _by_status(
    path: str, refusals: Iterable[type[Problem]], *, has_body: bool
) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for refusal in refusals:
        shown = BadGateway if refusal is Unavailable and SEED_PATH.match(path) else refusal
        status, code = shown.status, f"`{shown.code}`"
        if mithril.PATH.match(path):
            status, number = mithril.REFUSALS.get(shown.code, (status, status))
            if shown is Unprocessable and not has_body:
                number = mithril.QUERY
            code = f"{number}"
        line = f"{code}: {refusal.detail}"
        if line not in found[status]:
            found[status].append(line)
    return found


def _refusal(path: str, description: str) -> dict[str, Any]:
    is_envelope = mithril.PATH.match(path)
    kind = "application/json" if is_envelope else "application/problem+json"
    schema = "Refusal" if is_envelope else "Problem"
    content = {kind: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}
