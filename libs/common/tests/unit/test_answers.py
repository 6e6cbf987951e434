# SPDX-License-Identifier: Apache-2.0
"""A judge of answers must be able to say no."""

import orjson
import pytest
from apiflask import APIFlask
from flask import Response, jsonify

from common.schemas import Shown
from common.testing.answers import CheckedClient, Document, Undocumented

SHAPES = {
    "Thing": {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "integer"}, "parts": {"$ref": "#/components/schemas/Parts"}},
    },
    "Parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
    "Part": {"type": "object", "properties": {"name": {"type": ["string", "null"]}}},
    "Problem": {
        "type": "object",
        "required": ["code"],
        "properties": {"type": {}, "title": {}, "request_id": {}, "code": {"type": "string"}},
    },
}


def answer(kind, shape):
    schema = {"$ref": f"#/components/schemas/{shape}"} if shape else {"type": "string"}
    return {"description": "", "content": {kind: {"schema": schema}}}


DOCUMENT = Document(
    {
        "paths": {
            "/things/{ref}": {
                "get": {
                    "responses": {
                        "200": answer("application/json", "Thing"),
                        "304": {"description": ""},
                        "default": answer("application/problem+json", "Problem"),
                    }
                },
                "delete": {"responses": {"204": {"description": ""}}},
            },
            "/things/all": {"get": {"responses": {"200": answer("application/json", "Parts")}}},
            "/things/{ref}/raw": {"get": {"responses": {"200": answer("image/png", None)}}},
            "/tagged": {
                "get": {"responses": {"204": {"headers": {"ETag": {"required": True}, "Link": {}}}}}
            },
            "/log": {"get": {"responses": {"200": answer("application/x-ndjson", None)}}},
        },
        "components": {"schemas": SHAPES},
    }
)


def check(method="GET", path="/things/7", status=200, body=b'{"id": 7}', kind="application/json"):
    headers = {"X-Request-Id": "1", "Content-Type": kind}
    DOCUMENT.check(method, path, status, headers, body)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"path": "/things/7/"},
        {"kind": "application/json; charset=utf-8"},
        {"body": b'{"id": 7, "parts": [{"name": "leg"}, {"name": null}]}'},
        {"path": "/things/all", "body": b"[]"},
        {"status": 304, "body": b""},
        {"method": "HEAD", "body": b""},
        {"method": "DELETE", "status": 204, "body": b"", "kind": ""},
        {"path": "/things/7/raw", "body": b"\x89PNG", "kind": "image/png"},
        {"path": "/log", "body": b"{}\n{}", "kind": "application/x-ndjson"},
        {
            "status": 429,
            "body": b'{"code": "taken", "type": "", "title": "", "request_id": "", "items": []}',
            "kind": "application/problem+json",
        },
        {"path": "/nobody/knows", "status": 404},
        {"method": "POST", "status": 405},
    ],
    ids=str,
)
def test_documented_answer_passes(said):
    check(**said)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"body": b'{"id": "7"}'}, "id: '7' is not of type 'integer'"),
        ({"body": b'{"parts": []}'}, "'id' is a required property"),
        ({"body": b'{"id": 7, "password_hash": "x"}'}, "password_hash"),
        ({"body": b'{"id": 7, "parts": [{"name": 1}]}'}, "parts.0.name"),
        ({"body": b'{"id": 7, "parts": [{"nmae": "leg"}]}'}, "nmae"),
        ({"body": b"<html>"}, "is no JSON"),
        ({"body": b""}, "is no JSON"),
        ({"kind": "text/html"}, "documented is application/json"),
        ({"kind": ""}, "is untyped"),
        ({"status": 201}, "documented are 200, 304, default"),
        ({"status": 429}, "documented is application/problem"),
        ({"status": 409}, "documented are 200, 304, default"),
        ({"status": 500}, "documented are 200, 304, default"),
        (
            {"status": 429, "kind": "application/problem+json", "body": b"{}"},
            "'code' is a required",
        ),
        ({"status": 304}, "has a body"),
        ({"method": "HEAD"}, "has a body"),
        ({"path": "/things/all", "body": b'{"id": 7}'}, "is not of type 'array'"),
        ({"method": "DELETE", "status": 404}, "documented are 204"),
        ({"method": "POST", "status": 201}, "has no POST"),
        ({"path": "/nobody/knows"}, "nobody knows this path"),
        ({"path": "/things/7/8"}, "nobody knows this path"),
    ],
    ids=str,
)
def test_undocumented_answer_is_refused(said, fault):
    with pytest.raises(Undocumented, match=fault):
        check(**said)


def test_a_promised_header_is_there():
    DOCUMENT.check("GET", "/tagged", 204, {"X-Request-Id": "1", "ETag": '"1"'}, b"")
    with pytest.raises(Undocumented, match="has no ETag"):
        DOCUMENT.check("GET", "/tagged", 204, {"X-Request-Id": "1"}, b"")


def test_every_answer_names_its_request():
    with pytest.raises(Undocumented, match="X-Request-Id"):
        DOCUMENT.check("GET", "/things/7", 200, {"Content-Type": "application/json"}, b'{"id": 7}')


class Thing(Shown):
    id: int


@pytest.fixture(scope="module")
def client():
    app = APIFlask("answers", docs_path=None, spec_path=None)
    app.config["OPENAPI_VERSION"] = "3.1.0"

    @app.get("/right")
    @app.output(Thing)
    def right():
        return jsonify({"id": 1})

    @app.get("/wrong")
    @app.output(Thing)
    def wrong():
        return Response(orjson.dumps({"id": 1, "secret": 2}), content_type="application/json")

    @app.get("/internal/anything")
    @app.doc(hide=True)
    def anything():
        return jsonify([1])

    @app.after_request
    def name(response):
        response.headers["X-Request-Id"] = "1"
        return response

    app.test_client_class = CheckedClient
    return app.test_client()


def test_the_client_checks_what_clients_may_call(client):
    assert client.get("/right").json == {"id": 1}
    assert client.get("/internal/anything").json == [1]
    with pytest.raises(Undocumented, match="secret"):
        client.get("/wrong")
