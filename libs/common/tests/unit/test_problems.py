# SPDX-License-Identifier: Apache-2.0

import orjson
import pytest
from flask import Flask
from werkzeug.exceptions import MethodNotAllowed, NotFound, RequestEntityTooLarge

from common.context import Trace, traced
from common.problems import (
    Forbidden,
    Problem,
    TokenExpired,
    Unavailable,
    Unprocessable,
)
from common.refusals import problem_of, response_to

MEMBERS = [
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "request_id",
    "code",
    "message",
    "errors",
]


class InsufficientStock(Problem):
    status = 409
    detail = "There is not enough."


@pytest.fixture
def answer():
    """What a client sees of an error."""
    app = Flask("test", static_folder=None)

    def of(error):
        with (
            app.test_request_context("/v1/orders"),
            traced(Trace(correlation_id="c" * 32)),
        ):
            response = response_to(problem_of(error))
        return response, orjson.loads(response.data)

    return of


def test_a_problem_has_the_members_that_the_api_promises(answer):
    response, document = answer(InsufficientStock(items=[{"product_id": 1}]))

    assert response.status_code == 409
    assert response.content_type == "application/problem+json"
    assert document == {
        "type": "/problems/insufficient-stock",
        "title": "Insufficient stock",
        "status": 409,
        "detail": "There is not enough.",
        "instance": "/v1/orders",
        "request_id": "c" * 32,
        "code": "insufficient_stock",
        "message": "There is not enough.",
        "errors": {},
        "items": [{"product_id": 1}],
    }
    assert list(document)[: len(MEMBERS)] == MEMBERS


def test_what_is_wrong_with_each_field_is_told(answer):
    _, document = answer(Unprocessable(errors={"price": ["must be positive"]}))

    assert (document["status"], document["code"]) == (422, "invalid")
    assert document["errors"] == {"price": ["must be positive"]}


def test_a_refusals_own_sentence_goes_before_its_classes(answer):
    _, document = answer(Forbidden("Only its seller may."))

    assert document["detail"] == document["message"] == "Only its seller may."


def test_who_needs_a_token_is_told_how(answer):
    response, document = answer(TokenExpired())

    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert (document["status"], document["code"]) == (401, "token_expired")


def test_who_should_come_again_is_told_when(answer):
    response, document = answer(Unavailable(retry_after=7))

    assert (document["status"], response.headers["Retry-After"]) == (503, "7")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound(), 404, "not_found"),
        (RequestEntityTooLarge(), 413, "request_entity_too_large"),
        (MethodNotAllowed(valid_methods=["GET"]), 405, "method_not_allowed"),
    ],
)
def test_flasks_own_refusals_look_like_ours(answer, error, status, code):
    response, document = answer(error)

    assert (response.status_code, document["status"], document["code"]) == (status, status, code)
    assert list(document) == MEMBERS


def test_a_method_that_is_not_allowed_is_told_those_that_are(answer):
    response, _ = answer(MethodNotAllowed(valid_methods=["GET", "PATCH"]))

    assert response.headers["Allow"] == "GET, PATCH"


def test_of_an_unknown_error_a_client_sees_nothing_but_the_request_id(answer, capsys):
    error = RuntimeError("(1045) Access denied for user 'catalog' using password 'hunter2'")

    response, document = answer(error)

    assert response.status_code == 500
    assert document["code"] == "internal_server_error"
    assert document["request_id"] == "c" * 32
    for leak in ("hunter2", "1045", "RuntimeError", "Traceback"):
        assert leak not in response.get_data(as_text=True)


def test_an_unknown_error_is_logged_with_its_trace(answer, monkeypatch):
    logged = []
    monkeypatch.setattr("common.refusals.log.error", lambda name, **fields: logged.append(fields))
    error = RuntimeError("why")

    answer(error)

    assert logged == [{"exc_info": error}]


def test_a_code_is_the_classes_name_unless_it_says_another():
    class PriceChanged(Problem):
        status = 409

    class Other(PriceChanged):
        code = "something_else"

    class Third(Other):
        pass

    assert (PriceChanged.code, Other.code, Third.code) == (
        "price_changed",
        "something_else",
        "third",
    )
