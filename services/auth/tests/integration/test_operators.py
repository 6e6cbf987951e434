# SPDX-License-Identifier: Apache-2.0
"""What the gateway, operators and the architecture expect of auth."""

import socket

import pytest
from jwt import PyJWKSet
from redis.exceptions import ConnectionError as RedisGone

from auth.app import create_app
from common.tokens import KeySet, Verifier

PASSWORD = "correct horse battery staple"


@pytest.fixture
def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def without_redis(make_app, database, closed_port):
    return make_app(redis_url=f"redis://127.0.0.1:{closed_port}/0").test_client()


def test_everybody_can_check_tokens_with_the_key_set(client, add_user, bearer):
    answer = client.get("/.well-known/jwks.json")

    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert len(PyJWKSet.from_dict(answer.json).keys) == 1
    ada = add_user("ada")
    token = bearer(ada)["Authorization"].removeprefix("Bearer ")
    verifier = Verifier(KeySet(lambda: answer.json), issuer="souk", audience="souk")
    assert verifier.verify(token).user_id == ada.id


def test_every_route_says_who_may_call(app):
    unmarked = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if not hasattr(app.view_functions[rule.endpoint], "access") and rule.endpoint != "static"
    ]

    assert unmarked == []


def test_auth_is_alive_and_ready(client):
    assert client.get("/healthz").json == {"ok": True}
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["ok"]) == (200, True)
    assert answer.json["checks"]["database"]["ok"]


def test_without_redis_nobody_logs_in(without_redis, add_user):
    add_user("ada")
    for login in ("ada", "nobody"):
        body = {"login": login, "password": PASSWORD}
        answer = without_redis.post("/v1/auth/login", json=body)

        assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
        assert answer.headers["Retry-After"] == "1"


def test_without_redis_who_is_logged_in_reads_writes_and_refreshes(without_redis):
    body = {"username": "ada", "password": PASSWORD}
    signed_up = without_redis.post("/v1/auth/signup", json=body)
    headers = {"Authorization": f"Bearer {signed_up.json['access_token']}"}

    assert signed_up.status_code == 201
    assert without_redis.get("/v1/users/me", headers=headers).status_code == 200
    change = without_redis.patch("/v1/users/me", json={"fullname": "Ada"}, headers=headers)
    assert change.status_code == 200
    refresh = {"refresh_token": signed_up.json["refresh_token"]}
    assert without_redis.post("/v1/auth/refresh", json=refresh).status_code == 200
    assert without_redis.get("/readyz").status_code == 200


def test_without_redis_no_death_of_tokens_is_promised(without_redis, user_now):
    """Redis may come back with an old copy; so nothing is changed, and 503 says so."""
    body = {"username": "ada", "password": PASSWORD}
    signed_up = without_redis.post("/v1/auth/signup", json=body).json
    headers = {"Authorization": f"Bearer {signed_up['access_token']}"}

    assert without_redis.post("/v1/auth/logout-all", headers=headers).status_code == 503
    assert without_redis.delete("/v1/users/me", headers=headers).status_code == 503

    assert user_now(signed_up["id"]).token_epoch == 1


def test_without_redis_a_stolen_refresh_token_still_ends_its_log_in(
    make_app, database, closed_port, user_now
):
    app = make_app(redis_url=f"redis://127.0.0.1:{closed_port}/0", refresh_grace_seconds=0)
    client = app.test_client()
    signed_up = client.post("/v1/auth/signup", json={"username": "ada", "password": PASSWORD}).json
    first = {"refresh_token": signed_up["refresh_token"]}
    second = client.post("/v1/auth/refresh", json=first).json

    assert client.post("/v1/auth/refresh", json=first).json["code"] == "refresh_reused"

    rest = client.post("/v1/auth/refresh", json={"refresh_token": second["refresh_token"]})
    assert rest.status_code == 401
    assert user_now(signed_up["id"]).token_epoch == 2


def test_without_redis_auth_still_tells_epochs(without_redis, add_user, token_factory):
    ada = add_user("ada")
    url = f"/internal/users/{ada.id}/epoch"

    answer = without_redis.get(url, headers=token_factory.service_bearer("orders"))

    assert answer.json == {"epoch": ada.token_epoch}


def test_a_redis_that_goes_between_mark_and_settling_does_not_undo_the_change(
    accounts, add_user, user_now, redis, monkeypatch
):
    ada = add_user("ada")

    def gone(**_arguments):
        raise RedisGone

    monkeypatch.setattr(accounts._copies, "_settle", gone)
    accounts.log_out_everywhere(ada.id)

    assert user_now(ada.id).token_epoch == ada.token_epoch + 1
    assert redis.get(f"epoch:{ada.id}").startswith(b"?")


def test_without_its_database_auth_says_503(make_config, closed_port):
    gone = f"mysql+pymysql://auth:x@127.0.0.1:{closed_port}/auth"
    client = create_app(make_config(database_url=gone)).test_client()

    for path, body in (
        ("login", {"login": "ada", "password": PASSWORD}),
        ("signup", {"username": "ada", "password": PASSWORD}),
        ("refresh", {"refresh_token": "x"}),
        ("logout", {"refresh_token": "x"}),
    ):
        assert client.post(f"/v1/auth/{path}", json=body).status_code == 503
    assert client.get("/readyz").status_code == 503
    # Who checks tokens keeps the keys that it has; half of them would be worse than none.
    assert client.get("/.well-known/jwks.json").status_code == 503
