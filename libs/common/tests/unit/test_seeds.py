# SPDX-License-Identifier: Apache-2.0
"""The manners of the older APIs: envelope, 502, 440, and lists by page number."""

import pytest
from flask import Flask
from pydantic import BaseModel

from common.problems import (
    BadRequest,
    MalformedBody,
    Problem,
    TokenExpired,
    TokenMissing,
    Unavailable,
    Unprocessable,
)
from common.refusals import response_to
from common.seeds import mithril
from common.seeds.accept import AcceptMissing, must_accept
from common.seeds.lists import SeedPage, listed


class UsernameTaken(Problem):
    status = 409


class Thing(BaseModel):
    id: int


@pytest.fixture
def app():
    return Flask("test")


@pytest.mark.parametrize(
    ("problem", "status", "code"),
    [
        (MalformedBody(), 400, 2),
        (BadRequest(), 400, 2),
        (UsernameTaken("x"), 409, 3),
        (TokenMissing(), 403, 7),
        (TokenExpired(), 401, 8),
        (Unavailable(), 502, 502),
        (Problem(), 500, 500),
    ],
)
def test_s4_says_no_in_its_envelope(app, problem, status, code):
    with app.test_request_context("/api/picture", method="POST"):
        response = response_to(problem)

    assert response.status_code == status
    assert response.json == {"message": problem.detail, "code": code, "data": None}


@pytest.mark.parametrize(("method", "code"), [("POST", 2), ("GET", 11)])
def test_s4_tells_a_wrong_body_from_a_wrong_query_and_names_the_field(app, method, code):
    with app.test_request_context("/api/picture/", method=method):
        response = response_to(Unprocessable("Wrong.", errors={"limit": ["too large"]}))

    assert response.status_code == 400
    assert response.json == {"message": "Wrong. limit: too large", "code": code, "data": None}


def test_s4_says_yes_in_its_envelope(app):
    with app.test_request_context("/api/user/register"):
        response = mithril.done(Thing(id=1), 201)

    assert response.status_code == 201
    assert response.json == {"message": "OK", "code": 0, "data": {"id": 1}}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/products", 502, "bad_gateway"),
        ("/product/7", 502, "bad_gateway"),
        ("/addToCars/1", 502, "bad_gateway"),
        ("/v1/products", 503, "unavailable"),
        ("/productsale", 503, "unavailable"),
    ],
)
def test_what_is_unavailable_is_a_bad_gateway_on_the_seeds_paths(app, path, status, code):
    with app.test_request_context(path):
        response = response_to(Unavailable(retry_after=3))

    assert (response.status_code, response.json["code"]) == (status, code)
    assert response.headers["Retry-After"] == "3"


def test_a_path_that_only_begins_like_s4s_gets_a_problem(app):
    with app.test_request_context("/api/users/1"):
        assert response_to(Unprocessable()).content_type == "application/problem+json"


def test_s0_needs_an_accept_header_and_any_will_do(app):
    with app.test_request_context("/products", headers={"Accept": "*/*"}):
        must_accept()
    with app.test_request_context("/products"), pytest.raises(AcceptMissing) as refused:
        must_accept()
    assert refused.value.status == 440


@pytest.mark.parametrize(
    ("page", "total", "more", "relations"),
    [
        (1, 0, False, {"first": 1, "last": 1}),
        (1, 5, True, {"first": 1, "next": 2, "last": 3}),
        (2, 5, True, {"first": 1, "prev": 1, "next": 3, "last": 3}),
        (3, 5, False, {"first": 1, "prev": 2, "last": 3}),
        (2, None, True, {"first": 1, "prev": 1, "next": 3}),
    ],
)
def test_a_list_says_where_its_other_pages_are(app, page, total, more, relations):
    wanted = SeedPage(page=page, limit=2)
    with app.test_request_context(f"/api/users?q=%26x&page={page}&limit=2"):
        response = listed([{"id": 1}, {"id": 2}], wanted, total=total, more=more)

    assert response.json == [{"id": 1}, {"id": 2}]
    links = dict(reversed(link.split("; rel=")) for link in response.headers["Link"].split(", "))
    assert links == {
        f'"{name}"': f"</api/users?q=%26x&page={number}&limit=2>"
        for name, number in relations.items()
    }
    assert response.headers.get("X-Total-Count") == (None if total is None else str(total))
