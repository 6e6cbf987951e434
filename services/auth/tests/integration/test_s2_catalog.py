# SPDX-License-Identifier: Apache-2.0
"""S2, Catalog: sign-up, log-in, and the refresh token that does not rotate."""

import time

import jwt
import pytest

PASSWORD = "correct horse battery staple"
SIGN_UP = {"username": "ada", "email": "ada@example.com", "password": "12345"}


@pytest.fixture
def signed_up(client):
    answer = client.post("/api/auth/signup", json=SIGN_UP)
    assert answer.status_code == 201
    return answer.json


@pytest.fixture
def refresh(client):
    def call(token, method="get"):
        headers = {"Authorization": f"Bearer {token}"}
        return getattr(client, method)("/api/auth/refresh", headers=headers)

    return call


@pytest.fixture
def me(client):
    return lambda token: client.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"})


def test_s2_signup_answers_with_the_user_and_tokens(client, signed_up, me, events):
    assert signed_up.keys() == {"id", "username", "email", "access_token", "refresh_token"}
    assert (signed_up["username"], signed_up["email"]) == ("ada", "ada@example.com")
    assert me(signed_up["access_token"]).json["id"] == signed_up["id"]
    assert [envelope.type for envelope in events()] == ["UserRegistered"]


@pytest.mark.parametrize(
    ("same", "code"),
    [
        ({"username": "ADA", "email": "x@example.com"}, "username_taken"),
        ({"username": "grace"}, "email_taken"),
        ({"username": "STORE"}, "username_taken"),
    ],
)
def test_s2_signup_of_a_duplicate_is_409(client, signed_up, same, code):
    answer = client.post("/api/auth/signup", json=SIGN_UP | same)

    assert (answer.status_code, answer.json["code"]) == (409, code)


@pytest.mark.parametrize("field", ["username", "email", "password"])
def test_s2_signup_needs_all_three(client, field):
    for body in (
        {name: value for name, value in SIGN_UP.items() if name != field},
        SIGN_UP | {field: None},
        SIGN_UP | {field: 7},
        SIGN_UP | {field: ""},
    ):
        answer = client.post("/api/auth/signup", json=body)

        assert (answer.status_code, answer.json["errors"].keys()) == (422, {field})


@pytest.mark.parametrize("path", ["signup", "login"])
def test_s2_unknown_fields_broken_json_and_other_types(client, path):
    url = f"/api/auth/{path}"

    assert client.post(url, json=SIGN_UP | {"role": "admin"}).status_code == 422
    assert client.post(url, data="{", content_type="application/json").status_code == 400
    assert client.post(url, data="x=1", content_type="text/plain").status_code == 415


def test_s2_login_answers_with_tokens_and_the_user(client, signed_up, me):
    answer = client.post("/api/auth/login", json={"username": "ada", "password": "12345"})

    assert answer.status_code == 200
    assert answer.json.keys() == {"access_token", "refresh_token", "user"}
    assert answer.json["user"] == {
        "id": signed_up["id"],
        "username": "ada",
        "email": "ada@example.com",
        "fullname": None,
        "rol": 2,
        "role": "user",
    }
    assert answer.headers["Cache-Control"] == "no-store"
    assert me(answer.json["access_token"]).status_code == 200


@pytest.mark.parametrize("wrong", [{"username": "eve"}, {"password": "wrong"}])
def test_s2_login_with_wrong_credentials_is_401(client, signed_up, wrong):
    body = {"username": "ada", "password": "12345"} | wrong

    answer = client.post("/api/auth/login", json=body)

    assert (answer.status_code, answer.json["code"]) == (401, "bad_credentials")


@pytest.mark.parametrize("method", ["get", "post"])
def test_s2_refresh_gives_an_access_token_again_and_again(refresh, signed_up, me, method):
    for _ in range(3):
        answer = refresh(signed_up["refresh_token"], method)

        assert answer.status_code == 200
        assert answer.json.keys() == {"access_token"}
        assert answer.headers["Cache-Control"] == "no-store"
        assert me(answer.json["access_token"]).json["id"] == signed_up["id"]


def test_s2_refresh_takes_the_raw_token_and_the_misspelt_header_too(client, signed_up):
    for headers in (
        {"Authorization": signed_up["refresh_token"]},
        {"Autorization": f"Bearer {signed_up['refresh_token']}"},
    ):
        assert client.get("/api/auth/refresh/", headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["get", "post"])
def test_s2_refresh_with_an_access_token_is_401(refresh, signed_up, method):
    answer = refresh(signed_up["access_token"], method)

    assert (answer.status_code, answer.json["code"]) == (401, "token_invalid")
    assert "WWW-Authenticate" in answer.headers


def test_s2_refresh_without_a_token_is_401(client):
    answer = client.get("/api/auth/refresh")

    assert (answer.status_code, answer.json["code"]) == (401, "token_missing")


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "ä", "x" * 3000])
def test_s2_refresh_with_a_forged_token_is_401(refresh, token):
    answer = refresh(token.encode().decode("latin-1"))

    assert (answer.status_code, answer.json["code"]) == (401, "token_invalid")


def test_s2_refresh_with_a_v1_refresh_token_is_401(client, refresh, add_user):
    add_user("grace")
    body = {"login": "grace", "password": PASSWORD}
    token = client.post("/v1/auth/login", json=body).json["refresh_token"]

    assert refresh(token).status_code == 401


def test_s2_refresh_token_is_no_v1_refresh_token(client, signed_up):
    body = {"refresh_token": signed_up["refresh_token"]}

    for path in ("refresh", "logout"):
        answer = client.post(f"/v1/auth/{path}", json=body)

        assert (answer.status_code, answer.json["code"]) == (401, "refresh_invalid")


def test_s2_refresh_token_is_never_an_access_token(client, signed_up):
    headers = {"Authorization": f"Bearer {signed_up['refresh_token']}"}
    own = f"/users/{signed_up['id']}"

    assert client.get("/v1/users/me", headers=headers).status_code == 401
    assert client.get("/api/users", headers=headers).status_code == 401
    assert client.get(f"/internal{own}", headers=headers).status_code == 401
    accepting = headers | {"Accept": "*/*"}
    assert client.post(own, json={"fullname": "x"}, headers=accepting).status_code == 401


def test_s2_refresh_token_lives_for_a_week(signed_up):
    claims = jwt.decode(signed_up["refresh_token"], options={"verify_signature": False})

    assert claims["typ"] == "refresh"
    assert 7 * 86400 - 10 < claims["exp"] - time.time() <= 7 * 86400


def test_s2_refresh_token_that_has_expired_is_401(
    client, refresh, signed_up, accounts, monkeypatch
):
    monkeypatch.setattr(accounts._steady, "_seconds", -1)
    body = {"username": "ada", "password": "12345"}
    token = client.post("/api/auth/login", json=body).json["refresh_token"]

    answer = refresh(token)

    assert (answer.status_code, answer.json["code"]) == (401, "token_expired")


KILLERS = {
    "logout-all": lambda accounts, user_id: accounts.log_out_everywhere(user_id),
    "demotion": lambda accounts, user_id: accounts.change_user(user_id, {"role": "analyst"}),
    "password": lambda accounts, user_id: accounts.change_user(
        user_id, {"password_hash": "another"}
    ),
    "deletion": lambda accounts, user_id: accounts.delete_user(user_id),
}


@pytest.mark.parametrize("killer", KILLERS)
def test_s2_refresh_token_dies_with_what_kills_tokens(refresh, signed_up, accounts, killer):
    KILLERS[killer](accounts, signed_up["id"])

    answer = refresh(signed_up["refresh_token"])

    assert (answer.status_code, answer.json["code"]) == (401, "token_invalid")


def test_s2_refresh_says_the_role_of_now(client, refresh, signed_up, accounts):
    accounts.change_user(signed_up["id"], {"role": "admin"})
    again = client.post("/api/auth/login", json={"username": "ada", "password": "12345"}).json

    token = refresh(again["refresh_token"]).json["access_token"]

    assert jwt.decode(token, options={"verify_signature": False})["role"] == "admin"
