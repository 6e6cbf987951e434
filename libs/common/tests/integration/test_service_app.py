# SPDX-License-Identifier: Apache-2.0
"""Every service's front door: the same manners, whatever is behind it."""

import re

import pytest
from apiflask import APIBlueprint
from flask import jsonify
from prometheus_client import REGISTRY

from common.access import identity, public, requires
from common.app import MOST_BYTES, create_service, cursors, database
from common.context import current_trace
from common.db import Database
from common.schemas import Line, Query, Schema, Shown, Units
from common.settings import ServiceSettings

JSON = {"Content-Type": "application/json"}


class ThingIn(Schema):
    name: Line
    units: Units = 1


class ThingOut(Shown):
    name: str
    units: int


class ThingsQuery(Query):
    least: int = 0


blueprint = APIBlueprint("things", __name__, url_prefix="/v1/things")


@blueprint.get("")
@public
@blueprint.input(ThingsQuery, location="query", arg_name="wanted")
def get_things(wanted):
    return jsonify({"least": wanted.least, "request_id": current_trace().correlation_id})


@blueprint.post("")
@public
@blueprint.input(ThingIn, arg_name="wanted")
@blueprint.output(ThingOut, status_code=201)
def post_thing(wanted):
    return ThingOut(name=wanted.name, units=wanted.units)


@blueprint.get("/<int:number>")
@requires()
def get_thing(number):
    return jsonify({"number": number, "owner": identity().username})


@blueprint.get("/broken")
@public
def get_broken():
    raise RuntimeError("canary-71c2")


@blueprint.get("/parts")
@public
def get_parts():
    database().ping()
    return jsonify(cursors().read("parts", cursors().make("parts", [1])))


@pytest.fixture
def app(database, service_settings, token_factory):
    config = service_settings(ServiceSettings, database=database)
    guard = token_factory.guard("things")
    return create_service("things", config, [blueprint], database=database, guard=guard)


@pytest.fixture
def client(app):
    with app.test_client() as client:
        yield client


def problem(response):
    """The code of an answer, which must be a complete problem document."""
    document = response.get_json(force=True)
    assert response.content_type == "application/problem+json"
    assert document["status"] == response.status_code
    assert document["request_id"] == response.headers["X-Request-Id"]
    assert document["message"] == document["detail"]
    assert {"type", "title", "instance", "errors"} <= set(document)
    return document["code"]


@pytest.mark.parametrize("path", ["/v1/things", "/v1/things/", "/healthz/", "/readyz/"])
def test_a_trailing_slash_makes_no_difference_and_no_redirect(client, path):
    assert client.get(path).status_code == 200


def test_a_body_arrives_with_and_without_a_trailing_slash(client):
    for path in ("/v1/things", "/v1/things/"):
        answer = client.post(path, json={"name": "Lamp"})
        assert (answer.status_code, answer.get_json()) == (201, {"name": "Lamp", "units": 1})


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1/nothing",
        "//v1/things",
        "/v1//things",
        "/static/x",
        "/docs",
        "/openapi.json",
        "/v1/things/x/y",
        "/v1/things/-1",
        "/v1/things/%ff%00",
    ],
)
def test_an_unknown_path_is_a_problem_document(client, path):
    answer = client.get(path)

    assert (answer.status_code, problem(answer)) == (404, "not_found")


def test_a_wrong_method_is_told_the_right_ones(client):
    answer = client.delete("/v1/things")

    assert (answer.status_code, problem(answer)) == (405, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", JSON, 400, "malformed_body"),
        (b'{"name": "\xff"}', JSON, 400, "malformed_body"),
        (b'{"name": NaN}', JSON, 400, "malformed_body"),
        (b"[" * 10_000, JSON, 400, "malformed_body"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (b"{}", {}, 415, "unsupported_media_type"),
        (b"name=Lamp", {"Content-Type": "application/x-www-form-urlencoded"}, 415, None),
        (b"{}", {"Content-Type": "application/json; charset=latin-1"}, 415, None),
        (b"x" * (MOST_BYTES + 1), JSON, 413, "request_entity_too_large"),
        (b"", JSON, 422, "invalid"),
        (b"", {}, 422, "invalid"),
        (b"[]", JSON, 422, "invalid"),
        (b"null", JSON, 422, "invalid"),
        (b'"text"', JSON, 422, "invalid"),
        (b'{"name": "Lamp", "color": "red"}', JSON, 422, "invalid"),
        (b'{"name": 1}', JSON, 422, "invalid"),
        (b'{"name": "Lamp", "units": 99999999999999999999}', JSON, 422, "invalid"),
        (b'{"name": "Lamp", "units": true}', JSON, 422, "invalid"),
    ],
)
def test_a_wrong_body_is_refused_with_the_right_word(client, body, headers, status, code):
    answer = client.post("/v1/things", data=body, headers=headers)

    found = problem(answer)
    assert answer.status_code == status
    assert found == (code or found)


def test_what_is_wrong_is_told_by_field(client):
    answer = client.post("/v1/things", json={"units": "1", "color": "red"})

    assert set(answer.get_json()["errors"]) == {"name", "units", "color"}


@pytest.mark.parametrize("query", ["least=x", "lesat=1", "least=1&page=2"])
def test_a_wrong_query_is_refused(client, query):
    answer = client.get(f"/v1/things?{query}")

    assert (answer.status_code, problem(answer)) == (422, "invalid")


def test_a_user_is_asked_for_and_known(client, token_factory):
    refused = client.get("/v1/things/7")
    assert (refused.status_code, problem(refused)) == (401, "token_missing")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")

    answer = client.get("/v1/things/7", headers=token_factory.bearer(username="grace"))
    assert answer.get_json() == {"number": 7, "owner": "grace"}


def test_an_error_of_ours_says_nothing_but_its_request_id(client):
    answer = client.get("/v1/things/broken")

    assert (answer.status_code, problem(answer)) == (500, "internal_server_error")
    assert "canary-71c2" not in answer.text


def test_the_gateways_request_id_goes_through(client):
    given = "0123456789abcdef" * 2

    answer = client.get("/v1/things", headers={"X-Request-Id": given})

    assert answer.headers["X-Request-Id"] == answer.get_json()["request_id"] == given


@pytest.mark.parametrize("forged", ["", "x", "a" * 31, "A" * 32, "g" * 32, "a" * 33, "a" * 5000])
def test_what_is_no_request_id_is_replaced(client, forged):
    answer = client.get("/v1/things", headers={"X-Request-Id": forged})

    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-Id"])
    assert answer.headers["X-Request-Id"] != forged


def test_two_requests_have_two_ids(client):
    ids = {client.get("/v1/things").headers["X-Request-Id"] for _ in range(5)}

    assert len(ids) == 5


def test_alive_asks_nobody_and_ready_asks_everybody(client):
    assert client.get("/healthz").get_json() == {"ok": True}

    ready = client.get("/readyz")

    assert ready.status_code == 200
    assert ready.get_json()["ok"] is True
    assert {name: check["ok"] for name, check in ready.get_json()["checks"].items()} == {
        "database": True,
        "redis": True,
    }


def test_without_its_database_a_service_is_alive_and_not_ready(service_settings, token_factory):
    nowhere = Database("mysql+pymysql://nobody:x@127.0.0.1:1/none")
    config = service_settings(ServiceSettings, redis_url="redis://:x@127.0.0.1:1/0")
    guard = token_factory.guard("things")
    app = create_service("things", config, [blueprint], database=nowhere, guard=guard)

    with app.test_client() as client:
        assert client.get("/healthz").status_code == 200
        ready = client.get("/readyz")
        refused = client.get("/v1/things/parts")

    assert ready.status_code == 503
    assert not ready.get_json()["checks"]["database"]["ok"]
    assert (refused.status_code, problem(refused)) == (503, "unavailable")
    assert int(refused.headers["Retry-After"]) >= 1


def test_without_redis_a_service_is_still_ready(database, service_settings, token_factory):
    config = service_settings(
        ServiceSettings, database=database, redis_url="redis://:x@127.0.0.1:1/0"
    )
    guard = token_factory.guard("things")
    app = create_service("things", config, [blueprint], database=database, guard=guard)

    with app.test_client() as client:
        ready = client.get("/readyz")

    assert ready.status_code == 200
    assert not ready.get_json()["checks"]["redis"]["ok"]


def test_requests_are_measured_by_route_and_never_by_address(client):
    labels = {"method": "GET", "route": "/v1/things/<int:number>", "status": "401"}
    before = REGISTRY.get_sample_value("souk_request_seconds_count", labels) or 0

    for number in range(3):
        client.get(f"/v1/things/{number}")
    shown = client.get("/metrics").text

    assert REGISTRY.get_sample_value("souk_request_seconds_count", labels) == before + 3
    assert 'route="/v1/things/<int:number>"' in shown
    assert "/v1/things/2" not in shown


def test_a_views_parts_are_the_applications(client):
    assert client.get("/v1/things/parts").get_json() == [1]
