# SPDX-License-Identifier: Apache-2.0
"""Holds answers against the API document: whoever sends something else has to say so there."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from werkzeug.test import TestResponse

ADDRESS = "urn:souk:openapi"
JSON = re.compile(r"application/(?:[\w.-]+\+)?json")
NOT_FOR_CLIENTS = re.compile(r"/(?:internal/|metrics$|healthz$|readyz$)")
LONGEST_SHOWN = 300
REFUSED = 400
BROKEN = 500
NO_BODY = frozenset({204, 304})
OF_EVERY_CALL = frozenset({400, 405, 408, 411, 413, 414, 416, 429, 431, 501, 502, 503, 505})
"""Refusals that any call may meet on its way; all others are a call's own, and a 500 is a bug."""


class Undocumented(AssertionError):
    """An answer that the API document does not know."""


class Document:
    """An OpenAPI 3.1 document that can judge answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = _closed(document)
        resource = DRAFT202012.create_resource(self.document)
        self._registry: Registry[Any] = Registry().with_resource(ADDRESS, resource)
        # Exact paths go before patterns, and the pattern that leaves least open before others.
        self._paths = [
            (re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) + "/?"), path)
            for path in sorted(self.document["paths"], key=lambda path: path.count("{"))
        ]

    def check(
        self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Whether an answer is one that the document promises.

        Raises:
            Undocumented: It is not; the message says why.
        """
        where = f"{method} {path} → {status}"
        if "X-Request-Id" not in headers:
            raise Undocumented(f"{where} has no X-Request-Id")
        operation = self._operation(where, method, path, status)
        if operation is None:
            return
        pointer, responses = operation
        response = self._response(where, responses, status)
        for name, header in responses[response].get("headers", {}).items():
            if header.get("required") and name not in headers:
                raise Undocumented(f"{where} has no {name}")
        content = responses[response].get("content", {})
        if method == "HEAD" or status in NO_BODY:
            if body:
                raise Undocumented(f"{where} has a body: {body[:LONGEST_SHOWN]!r}")
            return
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind not in content:
            known = ", ".join(content) or "no body"
            raise Undocumented(f"{where} is {kind or 'untyped'}, documented is {known}")
        if JSON.fullmatch(kind):
            place = [*pointer, "responses", response, "content", kind, "schema"]
            self._must_fit(where, place, body)

    def _operation(
        self, where: str, method: str, path: str, status: int
    ) -> tuple[list[str], dict[str, Any]] | None:
        """Where the operation stands and its responses; None where there rightly is none."""
        template = next((known for shape, known in self._paths if shape.fullmatch(path)), None)
        if template is None:
            if status not in {400, 404}:
                raise Undocumented(f"{where}: nobody knows this path")
            return None
        verb = "get" if method == "HEAD" else method.lower()
        operations = self.document["paths"][template]
        if verb not in operations:
            if status < REFUSED and method != "OPTIONS":
                raise Undocumented(f"{where}: {template} has no {method}")
            return None
        return ["paths", template, verb], operations[verb]["responses"]

    def _response(self, where: str, responses: dict[str, Any], status: int) -> str:
        if str(status) in responses:
            return str(status)
        if status in OF_EVERY_CALL and "default" in responses:
            return "default"
        raise Undocumented(f"{where}: documented are {', '.join(responses)}")

    def _must_fit(self, where: str, place: list[str], body: bytes) -> None:
        try:
            answer = orjson.loads(body)
        except ValueError as error:
            raise Undocumented(f"{where} is no JSON: {body[:LONGEST_SHOWN]!r}") from error
        if faults := self.faults(place, answer):
            raise Undocumented(f"{where}: {'; '.join(faults)[:LONGEST_SHOWN]}")

    def faults(self, place: list[str], value: Any) -> list[str]:
        """What keeps *value* from fitting the schema at *place*, the keys that lead there."""
        pointer = "/".join(part.replace("~", "~0").replace("/", "~1") for part in place)
        schema = {"$ref": f"{ADDRESS}#/{quote(pointer)}"}
        return [
            f"{'.'.join(map(str, fault.absolute_path)) or 'the body'}: {fault.message}"
            for fault in Draft202012Validator(schema, registry=self._registry).iter_errors(value)
        ]


class CheckedClient(FlaskClient):
    """A test client whose every answer has to be in the application's own API document."""

    def open(self, *args: Any, **options: Any) -> TestResponse:
        answer = super().open(*args, **options)
        method, path, status = answer.request.method, answer.request.path, answer.status_code
        # A test that breaks something on purpose gets a 500, which no document promises.
        if not NOT_FOR_CLIENTS.match(path) and status != BROKEN:
            # What has no length is a stream, which its test may want to see coming.
            is_stream = status not in NO_BODY and answer.content_length is None
            body = b"" if is_stream else answer.get_data()
            _document_of(self.application).check(method, path, status, dict(answer.headers), body)
        return answer


_documents: dict[str, Document] = {}


def _document_of(app: Any) -> Document:
    # One for all applications of a service: they differ in settings, not in code.
    if app.name not in _documents:
        _documents[app.name] = Document(app.spec)
    return _documents[app.name]


def _closed(node: Any) -> Any:
    """The document with every object closed that does not say that it is open.

    A client may ignore a field that it does not know, so the document does not forbid any; a
    server that sends one has forgotten to document it.
    """
    if isinstance(node, list):
        return [_closed(part) for part in node]
    if not isinstance(node, dict):
        return node
    closed = {name: _closed(part) for name, part in node.items()}
    if isinstance(node.get("properties"), dict) and node.get("type") == "object":
        is_problem = {"type", "title", "request_id"} <= node["properties"].keys()
        closed.setdefault("additionalProperties", is_problem)
    return closed
