# SPDX-License-Identifier: Apache-2.0
"""S3, Online store: customers are guests with a token, and the store itself is a user."""

import time

import jwt
import pytest
from click.testing import CliRunner

from auth.__main__ import cli
from auth.commands import users

PASSWORD = "correct horse battery staple"
CUSTOMER = {"username": "customer1"}


def test_s3_customer_add_gives_a_guest_with_a_token_for_a_day(client, events):
    answer = client.post("/customer/add", json=CUSTOMER)

    assert answer.status_code == 201
    assert answer.json.keys() == {"customer_id", "id", "username", "access_token"}
    assert answer.json["customer_id"] == answer.json["id"]
    assert answer.json["username"] == "customer1"
    assert answer.headers["Cache-Control"] == "no-store"
    claims = jwt.decode(answer.json["access_token"], options={"verify_signature": False})
    assert (claims["guest"], claims["typ"], claims["role"]) == (True, "access", "user")
    assert 86_390 < claims["exp"] - time.time() <= 86_400
    [envelope] = events()
    assert (envelope.type, envelope.data["guest"]) == ("UserRegistered", True)


def test_s3_a_guests_token_works(client):
    token = client.post("/customer/add/", json=CUSTOMER).json["access_token"]

    me = client.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"})

    assert (me.status_code, me.json["guest"]) == (200, True)


@pytest.mark.parametrize("username", ["Customer1", "ada", "store", "STORE", "ｓｔｏｒｅ"])
def test_s3_customer_add_with_a_taken_name_is_409(client, add_user, username):
    add_user("ada")
    client.post("/customer/add", json=CUSTOMER)

    answer = client.post("/customer/add", json={"username": username})

    assert (answer.status_code, answer.json["code"]) == (409, "username_taken")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": ""},
        {"username": None},
        {"username": 7},
        {"username": "a@b"},
        {"username": "x" * 81},
        CUSTOMER | {"password": "12345"},
        CUSTOMER | {"guest": False},
        [],
    ],
)
def test_s3_customer_add_with_a_wrong_body_is_422(client, body, events):
    assert client.post("/customer/add", json=body).status_code == 422
    assert events() == []


def test_s3_customer_add_with_broken_json_is_400(client):
    answer = client.post(
        "/customer/add", data='{"username": "customer1",}', content_type="application/json"
    )

    assert (answer.status_code, answer.json["code"]) == (400, "malformed_body")


def test_s3_a_guest_never_logs_in(client):
    client.post("/customer/add", json=CUSTOMER)
    accept = {"Accept": "*/*"}

    for path, body in (
        ("/v1/auth/login", {"login": "customer1"}),
        ("/users/SignIn", {"username": "customer1"}),
        ("/users/login", {"email": "customer1"}),
        ("/api/auth/login", {"username": "customer1"}),
        ("/api/user/login", {"username": "customer1"}),
    ):
        # What an account without a hash is compared with, so that it takes as long.
        password = {"password": "the password of nobody"}
        answer = client.post(path, json=body | password, headers=accept)

        assert answer.status_code == 401, path


def test_s3_a_guest_can_not_give_itself_a_password(client):
    guest = client.post("/customer/add", json=CUSTOMER).json
    headers = {"Authorization": f"Bearer {guest['access_token']}", "Accept": "*/*"}
    body = {"password": PASSWORD, "current_password": "the password of nobody"}

    for method, path in (("patch", "/v1/users/me"), ("post", f"/users/{guest['id']}")):
        for attempt in (body, {"password": PASSWORD}):
            answer = getattr(client, method)(path, json=attempt, headers=headers)

            assert (answer.status_code, answer.json["errors"].keys()) == (
                422,
                {"current_password"},
            )


def test_s3_a_guest_is_never_made_an_admin_or_a_person(client, add_user, bearer):
    root = add_user("root", role="admin")
    guest = client.post("/customer/add", json=CUSTOMER).json

    for body in ({"role": "admin"}, {"password": PASSWORD}):
        answer = client.patch(f"/v1/users/{guest['id']}", json=body, headers=bearer(root))

        assert (answer.status_code, answer.json["errors"].keys()) == (422, set(body))


def test_s3_a_deleted_guests_token_is_dead_and_the_name_free(client, add_user, bearer):
    root = add_user("root", role="admin")
    guest = client.post("/customer/add", json=CUSTOMER).json

    assert client.delete(f"/v1/users/{guest['id']}", headers=bearer(root)).status_code == 204

    dead = {"Authorization": f"Bearer {guest['access_token']}"}
    assert client.get("/v1/users/me", headers=dead).status_code == 401
    assert client.post("/customer/add", json=CUSTOMER).status_code == 201


def test_s3_the_store_is_made_once_and_announced_once(database, events):
    first = database.run(users.ensure_store)
    second = database.run(users.ensure_store)

    assert first.id == second.id
    assert (first.username, first.role, first.guest) == ("store", "user", False)
    assert first.password_hash is None
    [envelope] = events()
    assert (envelope.type, envelope.data["username"]) == ("UserRegistered", "store")


@pytest.fixture
def create_admin(database, make_config, private_key, monkeypatch):
    config = make_config()
    monkeypatch.setenv("JWT_PRIVATE_KEY", private_key)
    for name in ("database_url", "amqp_url", "redis_url", "service_token_key", "secret_key"):
        monkeypatch.setenv(name.upper(), getattr(config, name).get_secret_value())
    monkeypatch.setenv("ADMIN_EMAIL", "root@example.com")
    monkeypatch.setenv("ADMIN_PASSWORD", PASSWORD)

    def run(username, **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("ADMIN_USERNAME", username)
        return CliRunner().invoke(cli, ["create-admin"])

    return run


def test_s3_an_open_stores_seller_is_made_with_the_first_admin(create_admin, events):
    for _ in range(2):
        outcome = create_admin("root", OPEN_STORE="true")

        assert outcome.exit_code == 0
        assert "store sells for strangers" in outcome.output
    assert [envelope.data["username"] for envelope in events()] == ["root", "store"]


def test_s3_a_closed_store_has_no_seller(create_admin, events):
    assert create_admin("root").exit_code == 0

    assert [envelope.data["username"] for envelope in events()] == ["root"]


def test_s3_the_store_is_no_admin(create_admin, database):
    before = create_admin("store")
    database.run(users.ensure_store)
    after = create_admin("store")

    assert (before.exit_code, after.exit_code) == (1, 1)
    assert "Somebody else has this username." in before.output
    assert "never logs in" in after.output
