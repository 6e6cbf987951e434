# SPDX-License-Identifier: Apache-2.0
"""The Postman collection: every call is in it, ready to be sent."""

import orjson
import pytest

from souk_apidocs.document import build, operations_of
from souk_apidocs.postman import FORMAT, render


@pytest.fixture(scope="module")
def document():
    return build()


@pytest.fixture(scope="module")
def collection(document):
    return render(document)


@pytest.fixture(scope="module")
def requests(collection):
    return [item for folder in collection["item"] for item in folder["item"]]


def call_of(item):
    request = item["request"]
    path = request["url"]["raw"].removeprefix("{{baseUrl}}")
    parts = [f"{{{part[1:]}}}" if part.startswith(":") else part for part in path.split("/")]
    return request["method"], "/".join(parts)


def test_it_is_a_collection_of_format_2_1(collection):
    assert collection["info"]["schema"] == FORMAT
    assert {one["key"] for one in collection["variable"]} == {"baseUrl", "token", "refresh_token"}


def test_every_call_is_in_it_in_each_of_its_folders(document, collection):
    wanted = {
        (group, method.upper(), path)
        for method, path, operation in operations_of(document)
        for group in operation["tags"]
    }
    found = {
        (folder["name"], *call_of(item)) for folder in collection["item"] for item in folder["item"]
    }

    assert found == wanted


def test_every_body_is_valid_json(requests):
    bodies = [item["request"]["body"]["raw"] for item in requests if "body" in item["request"]]

    assert len(bodies) > 20
    for body in bodies:
        assert isinstance(orjson.loads(body), dict)


def test_whoever_logs_in_keeps_the_token_for_all_that_follows(requests):
    keeping = {call_of(item)[1] for item in requests if "event" in item}

    assert keeping >= {
        *("/v1/auth/login", "/v1/auth/signup", "/users/SignIn", "/users/login"),
        *("/api/auth/login", "/customer/add", "/api/user/login"),
    }


def test_an_order_brings_a_key_of_its_own(requests):
    order = next(item for item in requests if call_of(item) == ("POST", "/v1/orders"))
    headers = {one["key"]: one for one in order["request"]["header"]}

    assert headers["Idempotency-Key"]["value"] == "{{$guid}}"
    assert "disabled" not in headers["Idempotency-Key"]


def test_s4_sends_its_token_raw(requests):
    picture = next(item for item in requests if call_of(item) == ("POST", "/api/picture"))

    assert picture["request"]["auth"]["type"] == "apikey"
