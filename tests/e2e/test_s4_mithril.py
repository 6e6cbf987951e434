# SPDX-License-Identifier: Apache-2.0
"""S4, Mithril: every answer in its envelope, whoever gives it, and pictures as base64."""

import secrets

import jwt
import pytest

from auth.keys import public_jwk, read_private_key
from souk_local.keyring import Keyring
from support.pictures import as_text, png

MEBIBYTE = 1024 * 1024


def said(answer):
    body = answer.json()
    assert set(body) == {"message", "code", "data"}, answer.text
    return answer.status_code, body["code"]


@pytest.fixture
def rory(shop):
    """Registered and logged in on this surface, with the seed's own password."""
    person, username = shop.visitor(), f"Rory-{secrets.token_hex(4)}"
    body = {"username": username, "password": "12345"}
    made = person.post("/api/user/register", body)
    assert said(made) == (200, 0)
    assert made.json()["data"]["username"] == username
    login = person.post("/api/user/login/", body)
    assert said(login) == (200, 0)
    assert list(login.json()["data"]) == ["token"]
    person.id, person.username = made.json()["data"]["id"], username
    # The seed sends its token without a scheme.
    person.session.headers["Authorization"] = login.json()["data"]["token"]
    return person


def test_s4_register_says_what_is_wrong(shop, rory):
    visitor = shop.visitor()

    taken = visitor.post("/api/user/register", {"username": rory.username, "password": "12345"})

    assert said(taken) == (409, 3)
    for body in ({}, {"username": "x"}, {"username": 1, "password": "12345"}, []):
        assert said(visitor.post("/api/user/register", body)) == (400, 2)


def test_s4_login_says_what_is_wrong(shop, rory):
    visitor = shop.visitor()

    nobody = visitor.post("/api/user/login", {"username": secrets.token_hex(8), "password": "1"})
    wrong = visitor.post("/api/user/login", {"username": rory.username, "password": "54321"})

    assert said(nobody) == (404, 4)
    assert said(wrong) == (401, 5)
    assert said(visitor.post("/api/user/login", {})) == (400, 2)


def test_s4_malformed_bodies_are_400_in_the_envelope(shop):
    for data, kind in [("{", "application/json"), ("username=x", "text/plain")]:
        answer = shop.visitor().session.post(
            f"{shop.url}/api/user/register", data=data, headers={"Content-Type": kind}
        )
        assert said(answer) == (400, 2)


def test_s4_pictures_need_a_token(shop):
    visitor = shop.visitor()

    for method in ("GET", "POST"):
        assert said(visitor.call(method, "/api/picture")) == (403, 7)
        forged = visitor.call(method, "/api/picture", Authorization="eyJ0eXAi.OiJKV1Qi.LCJhbGc")
        assert said(forged) == (401, 9)


def test_s4_an_expired_token_is_code_8(stack, shop, rory):
    fresh = rory.session.headers["Authorization"]
    claims = jwt.decode(fresh, options={"verify_signature": False})
    for moment in ("iat", "nbf", "exp"):
        claims[moment] -= 3600
    key = Keyring.private_key_file(stack.directory).read_text()
    # Not the fresh token's: the stack's key may have been rotated since.
    headers = {"kid": public_jwk(read_private_key(key).public_key())["kid"]}
    expired = jwt.encode(claims, key, algorithm="ES256", headers=headers)

    for method in ("GET", "POST"):
        answer = shop.visitor().call(method, "/api/picture", Authorization=expired)
        assert said(answer) == (401, 8)


def test_s4_a_picture_comes_back_as_it_was_sent(rory):
    data = as_text(png())

    made = rory.post("/api/picture", {"data": data})
    found = rory.get(f"/api/picture?page=1&limit=20&username={rory.username}")

    assert said(made) == (201, 0)
    assert said(found) == (200, 0)
    assert found.json()["data"] == {
        "total": 1,
        "page": 1,
        "limit": 20,
        "pictures": [{"id": made.json()["data"]["id"], "username": rory.username, "data": data}],
    }


def test_s4_pictures_come_newest_first_by_pages(rory):
    ids = [
        rory.post("/api/picture", {"data": as_text(png())}).json()["data"]["id"] for _ in range(3)
    ]

    page = rory.get(f"/api/picture?page=2&limit=2&username={rory.username}").json()["data"]
    whole = rory.get(f"/api/picture?username={rory.username}").json()["data"]

    assert (page["total"], page["page"], page["limit"]) == (3, 2, 2)
    assert [picture["id"] for picture in page["pictures"]] == ids[:1]
    assert [picture["id"] for picture in whole["pictures"]] == ids[::-1]
    assert (whole["page"], whole["limit"]) == (1, 20)
    assert rory.get("/api/picture").json()["data"]["total"] >= 3


@pytest.mark.parametrize("query", ["page=0", "limit=0", "limit=101", "page=x", "colour=red"])
def test_s4_a_wrong_query_is_code_11(rory, query):
    assert said(rory.get(f"/api/picture?{query}")) == (400, 11)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 2),
        ({"data": 1}, 2),
        ({"data": "not base64!"}, 6),
        ({"data": as_text(b"<html><script>alert(1)</script></html>")}, 6),
        ({"data": as_text(b"<svg xmlns='http://www.w3.org/2000/svg'/>")}, 6),
        ({"data": ""}, 6),
    ],
)
def test_s4_what_is_no_picture_is_400(rory, body, code):
    assert said(rory.post("/api/picture", body)) == (400, code)


@pytest.mark.parametrize("size", [5 * MEBIBYTE + 1, 20 * MEBIBYTE])
def test_s4_a_picture_that_is_too_large_is_413(rory, size):
    """The first is refused by catalog, the second by nginx: the envelope is the same."""
    data = as_text(png() + b"\0" * size)

    assert said(rory.post("/api/picture", {"data": data})) == (413, 2)


def test_s4_unknown_paths_and_methods_have_the_envelope_too(rory):
    assert said(rory.get("/api/user/nothing"))[0] == 404
    assert said(rory.get("/api/user/login"))[0] == 405
    assert said(rory.delete("/api/picture"))[0] == 405
