# SPDX-License-Identifier: Apache-2.0
"""One account works on all surfaces."""

import pytest

PASSWORD = "correct horse battery staple"
ACCEPT = {"Accept": "application/json"}


def v1(client, *, name, email, password):
    del email
    body = {"login": name, "password": password}
    return client.post("/v1/auth/login", json=body).json["access_token"]


def s0(client, *, name, email, password):
    del email
    body = {"username": name, "password": password}
    return client.post("/users/SignIn", json=body, headers=ACCEPT).json["token"]


def s1(client, *, name, email, password):
    del name
    return client.post("/users/login", json={"email": email, "password": password}).json["Token"]


def s2(client, *, name, email, password):
    del email
    body = {"username": name, "password": password}
    return client.post("/api/auth/login", json=body).json["access_token"]


def s4(client, *, name, email, password):
    del email
    body = {"username": name, "password": password}
    return client.post("/api/user/login", json=body).json["data"]["token"]


LOG_INS = (v1, s0, s1, s2, s4)
ACCOUNT = {"username": "ada", "email": "ada@example.com", "password": PASSWORD}


@pytest.mark.parametrize("path", ["/v1/auth/signup", "/users/SignUp", "/api/auth/signup"])
@pytest.mark.parametrize("log_in", LOG_INS)
def test_an_account_of_one_surface_logs_in_on_every_other(client, path, log_in):
    user_id = client.post(path, json=ACCOUNT, headers=ACCEPT).json["id"]

    token = log_in(client, name="ada", email="ada@example.com", password=PASSWORD)

    me = client.get("/v1/users/me", headers={"Authorization": token})
    assert (me.status_code, me.json["id"]) == (200, user_id)


@pytest.mark.parametrize("log_in", LOG_INS)
def test_an_account_that_an_admin_made_on_s1_logs_in_everywhere(client, add_user, bearer, log_in):
    root = add_user("root", role="admin")
    made = client.post("/api/users", json=ACCOUNT | {"rol": 3}, headers=bearer(root)).json

    token = log_in(client, name="ada", email="ada@example.com", password=PASSWORD)

    me = client.get("/v1/users/me", headers={"Authorization": token}).json
    assert (me["id"], me["role"]) == (made["id"], "analyst")


@pytest.mark.parametrize("log_in", [v1, s0, s2, s4])
def test_an_account_of_s4_logs_in_everywhere_with_its_short_password(client, log_in):
    rory = {"username": "Rory", "password": "12345"}
    user_id = client.post("/api/user/register", json=rory).json["data"]["id"]

    token = log_in(client, name="Rory", email=None, password="12345")

    assert client.get("/v1/users/me", headers={"Authorization": token}).json["id"] == user_id


def test_v1_keeps_its_own_rule_for_passwords(client):
    for password in ("12345", "password123"):
        answer = client.post("/v1/auth/signup", json=ACCOUNT | {"password": password})

        assert (answer.status_code, answer.json["errors"].keys()) == (422, {"password"})


def test_a_name_is_taken_on_every_surface(client, add_user):
    add_user("ada", email="ada@example.com")
    refusals = {
        "/v1/auth/signup": (409, ACCOUNT),
        "/users/SignUp": (422, ACCOUNT),
        "/api/auth/signup": (409, ACCOUNT),
        "/customer/add": (409, {"username": "ADA"}),
        "/api/user/register": (409, {"username": "Ada", "password": "12345"}),
    }

    for path, (status, body) in refusals.items():
        assert client.post(path, json=body, headers=ACCEPT).status_code == status, path


def test_failures_on_one_surface_count_on_all(client, add_user):
    add_user("ada", email="ada@example.com")
    for _ in range(5):
        client.post("/api/user/login", json={"username": "ada", "password": "guess"})
        client.post("/users/login", json={"email": "ada@example.com", "password": "guess"})

    answer = client.post("/v1/auth/login", json={"login": "ada", "password": PASSWORD})

    assert answer.status_code == 429


def test_only_s4_tells_an_unknown_user_from_a_wrong_password(client, add_user):
    add_user("ada")

    def answers(path, **body):
        for name in ("ada", "eve"):
            named = {key: value or name for key, value in body.items()}
            answer = client.post(path, json=named, headers=ACCEPT)
            yield answer.status_code, answer.json["code"], answer.json["message"]

    for path, key in (
        ("/v1/auth/login", "login"),
        ("/users/SignIn", "username"),
        ("/users/login", "email"),
        ("/api/auth/login", "username"),
    ):
        one, other = answers(path, **{key: "", "password": "wrong"})
        assert one == other
    one, other = answers("/api/user/login", username="", password="wrong")
    assert one != other


@pytest.mark.parametrize("log_in", LOG_INS)
def test_logging_out_everywhere_kills_the_tokens_of_every_surface(client, add_user, log_in):
    add_user("ada", email="ada@example.com")
    token = log_in(client, name="ada", email="ada@example.com", password=PASSWORD)
    headers = {"Authorization": token}

    assert client.post("/v1/auth/logout-all", headers=headers).status_code == 204

    assert client.post("/v1/auth/logout-all", headers=headers).status_code == 401


def test_what_is_down_is_503_on_v1_and_502_on_the_seeds(make_app):
    client = make_app(redis_url="redis://127.0.0.1:1/0").test_client()
    credentials = {"username": "ada", "password": "x"}

    assert client.post("/v1/auth/login", json={"login": "a", "password": "x"}).status_code == 503
    for path in ("/users/SignIn", "/api/auth/login", "/api/user/login"):
        answer = client.post(path, json=credentials, headers=ACCEPT)

        assert answer.status_code == 502
        assert "Retry-After" in answer.headers
    assert answer.json == {"message": answer.json["message"], "code": 502, "data": None}
