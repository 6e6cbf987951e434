# SPDX-License-Identifier: Apache-2.0
"""Sign-up, log-in, refresh and log-out over HTTP."""

import re

import pytest
from sqlalchemy import text

PASSWORD = "correct horse battery staple"
SIGN_UP = {"username": "Ada", "password": PASSWORD}
TOKENS = {"access_token", "refresh_token", "token_type", "expires_in"}


@pytest.fixture
def log_in(client):
    return lambda login, password=PASSWORD: client.post(
        "/v1/auth/login", json={"login": login, "password": password}
    )


@pytest.fixture
def refresh(client):
    return lambda token: client.post("/v1/auth/refresh", json={"refresh_token": token})


@pytest.fixture
def me(client):
    return lambda token: client.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"})


def test_a_sign_up_answers_with_the_user_and_tokens_that_work(client, me, refresh):
    answer = client.post(
        "/v1/auth/signup",
        json={**SIGN_UP, "email": "ada@example.com", "fullname": "Ada Lovelace"},
    )

    assert answer.status_code == 201
    body = answer.json
    assert body.keys() == TOKENS | {"id", "username", "email", "fullname", "role"}
    assert (body["username"], body["email"]) == ("Ada", "ada@example.com")
    assert (body["fullname"], body["role"]) == ("Ada Lovelace", "user")
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    assert me(body["access_token"]).json["id"] == body["id"]
    assert refresh(body["refresh_token"]).status_code == 200


def test_a_sign_up_needs_no_address_and_no_full_name(client):
    for body in (SIGN_UP, SIGN_UP | {"username": "Grace", "email": None, "fullname": None}):
        answer = client.post("/v1/auth/signup", json=body)

        assert answer.status_code == 201
        assert (answer.json["email"], answer.json["fullname"]) == (None, None)


@pytest.mark.parametrize(
    ("taken", "code"),
    [
        ({"username": "ADA"}, "username_taken"),
        ({"username": "grace", "email": "ADA@example.com"}, "email_taken"),
        ({"email": "ada@example.com"}, "username_taken"),
    ],
)
def test_a_taken_name_or_address_is_a_conflict(client, add_user, taken, code):
    add_user("ada", email="ada@example.com")

    answer = client.post("/v1/auth/signup", json=SIGN_UP | taken)

    assert (answer.status_code, answer.json["code"]) == (409, code)
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "a@b"}, "username"),
        ({"username": "x" * 81}, "username"),
        ({"username": 42}, "username"),
        ({"username": None}, "username"),
        ({"username": ["ada"]}, "username"),
        ({"password": "7 signs"}, "password"),
        ({"password": "x" * 257}, "password"),
        ({"password": "password123"}, "password"),
        ({"password": "long enough\0"}, "password"),
        ({"password": 1234567890}, "password"),
        ({"password": True}, "password"),
        ({"email": "nowhere"}, "email"),
        ({"email": ""}, "email"),
        ({"email": "a@b\r\nBcc: c@d"}, "email"),
        ({"fullname": "two\nlines"}, "fullname"),
        ({"fullname": "x" * 201}, "fullname"),
        ({"role": "admin"}, "role"),
        ({"id": 1}, "id"),
        ({"guest": True}, "guest"),
        ({"is_admin": True}, "is_admin"),
    ],
)
def test_a_wrong_or_unknown_field_is_named(client, wrong, field, events):
    answer = client.post("/v1/auth/signup", json=SIGN_UP | wrong)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert answer.json["errors"].keys() == {field}
    assert events() == []


@pytest.mark.parametrize("path", ["signup", "login", "refresh", "logout"])
def test_missing_fields_broken_json_and_other_types_have_their_own_answers(client, path):
    url = f"/v1/auth/{path}"

    assert client.post(url, json={}).status_code == 422
    assert client.post(url).status_code == 422
    assert client.post(url, json=[]).status_code == 422
    assert client.post(url, data="{", content_type="application/json").status_code == 400
    assert client.post(url, data="{}", content_type="text/plain").status_code == 415
    assert client.get(url).status_code == 405
    lone_surrogate = client.post(url, data='{"a": "\\ud800"}', content_type="application/json")
    assert lone_surrogate.status_code == 400


def test_a_path_works_with_a_slash_at_its_end(client):
    assert client.post("/v1/auth/signup/", json=SIGN_UP).status_code == 201


def test_a_log_in_answers_with_tokens_and_the_user(log_in, add_user, me):
    ada = add_user("Ada", email="ada@example.com", fullname="Ada Lovelace", role="analyst")

    answer = log_in("ada")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json.keys() == TOKENS | {"user"}
    user = answer.json["user"]
    created_at = user.pop("created_at")
    assert user == {
        "id": ada.id,
        "username": "Ada",
        "email": "ada@example.com",
        "fullname": "Ada Lovelace",
        "role": "analyst",
        "guest": False,
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", created_at)
    assert me(answer.json["access_token"]).status_code == 200


def test_one_logs_in_by_name_or_by_address(log_in, add_user):
    add_user("Ada", email="Ada@example.com")

    for login in ("ada", " ADA ", "ada@EXAMPLE.com"):
        assert log_in(login).status_code == 200


def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(log_in, add_user):
    add_user("ada")

    wrong, unknown = log_in("ada", "wrong password"), log_in("nobody", "wrong password")

    assert (wrong.status_code, wrong.json["code"]) == (401, "bad_credentials")
    assert "WWW-Authenticate" in wrong.headers
    own = {"request_id"}
    assert {key: wrong.json[key] for key in wrong.json.keys() - own} == {
        key: unknown.json[key] for key in unknown.json.keys() - own
    }
    assert sorted(wrong.headers.keys()) == sorted(unknown.headers.keys())


@pytest.mark.parametrize("almost", [f"{PASSWORD} ", f" {PASSWORD}", PASSWORD.upper(), "x", "\0x"])
def test_a_password_must_be_the_very_same(log_in, add_user, almost):
    add_user("ada")

    assert log_in("ada", almost).status_code in (401, 422)


def test_a_deleted_user_can_not_log_in(client, log_in, add_user, bearer):
    ada = add_user("ada")
    client.delete("/v1/users/me", headers=bearer(ada))

    for login in ("ada", f"deleted-{ada.id}"):
        assert log_in(login).json["code"] == "bad_credentials"


def test_a_refresh_gives_a_new_pair(log_in, add_user, refresh, me):
    add_user("ada")
    first = log_in("ada").json

    answer = refresh(first["refresh_token"])

    assert answer.status_code == 200
    assert answer.json.keys() == TOKENS
    assert answer.json["refresh_token"] != first["refresh_token"]
    assert me(answer.json["access_token"]).status_code == 200
    assert me(first["access_token"]).status_code == 200


def test_a_new_role_is_in_the_tokens_of_the_next_log_in(client, log_in, add_user, bearer):
    root, ada = add_user("root", role="admin"), add_user("ada")
    url = f"/v1/users/{ada.id}"
    assert client.patch(url, json={"role": "admin"}, headers=bearer(root)).status_code == 200

    token = log_in("ada").json["access_token"]

    assert client.get("/v1/users", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_an_unknown_refresh_token_and_an_access_token_are_no_refresh_tokens(
    log_in, add_user, refresh
):
    add_user("ada")

    for token in ("unknown", log_in("ada").json["access_token"]):
        answer = refresh(token)
        assert (answer.status_code, answer.json["code"]) == (401, "refresh_invalid")


def test_a_reused_refresh_token_ends_the_log_in_and_kills_access_tokens(
    make_app, add_user, user_now
):
    client = make_app(refresh_grace_seconds=0).test_client()
    ada = add_user("ada")
    credentials = {"login": "ada", "password": PASSWORD}
    first = client.post("/v1/auth/login", json=credentials).json
    second = client.post("/v1/auth/refresh", json={"refresh_token": first["refresh_token"]}).json

    stolen = client.post("/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})

    assert (stolen.status_code, stolen.json["code"]) == (401, "refresh_reused")
    rest = client.post("/v1/auth/refresh", json={"refresh_token": second["refresh_token"]})
    assert (rest.status_code, rest.json["code"]) == (401, "refresh_invalid")
    bearer = {"Authorization": f"Bearer {second['access_token']}"}
    assert client.patch("/v1/users/me", json={}, headers=bearer).status_code == 401
    assert user_now(ada.id).token_epoch == ada.token_epoch + 1


def test_a_log_out_ends_its_log_in_only(client, log_in, add_user, refresh):
    add_user("ada")
    here, there = log_in("ada").json, log_in("ada").json

    answer = client.post("/v1/auth/logout", json={"refresh_token": here["refresh_token"]})

    assert (answer.status_code, answer.data) == (204, b"")
    assert refresh(here["refresh_token"]).status_code == 401
    assert refresh(there["refresh_token"]).status_code == 200
    again = client.post("/v1/auth/logout", json={"refresh_token": here["refresh_token"]})
    assert (again.status_code, again.json["code"]) == (401, "refresh_invalid")


def test_a_log_out_everywhere_ends_all_log_ins_at_once(client, log_in, add_user, refresh):
    add_user("ada")
    log_ins = [log_in("ada").json for _ in range(2)]
    bearers = [{"Authorization": f"Bearer {found['access_token']}"} for found in log_ins]

    assert client.post("/v1/auth/logout-all", headers=bearers[0]).status_code == 204

    for found, bearer in zip(log_ins, bearers, strict=True):
        assert client.patch("/v1/users/me", json={}, headers=bearer).status_code == 401
        assert refresh(found["refresh_token"]).status_code == 401
    assert log_in("ada").status_code == 200


def test_only_who_is_logged_in_can_log_out_everywhere(client):
    assert client.post("/v1/auth/logout-all").status_code == 401


def test_a_log_out_everywhere_has_no_fields(client, add_user, bearer):
    answer = client.post("/v1/auth/logout-all", json={"user": 1}, headers=bearer(add_user("ada")))

    assert (answer.status_code, answer.json["errors"].keys()) == (422, {"user"})


def test_neither_logs_nor_events_nor_errors_show_a_secret(
    client, log_in, add_user, refresh, events, capsys, caplog
):
    canary = "canary-4711-password"
    signed_up = client.post("/v1/auth/signup", json=SIGN_UP | {"password": canary}).json
    refreshed = refresh(signed_up["refresh_token"]).json
    answers = [
        log_in("ada", f"{canary}!"),
        client.post("/v1/auth/signup", json={"username": "a@b", "password": canary}),
        client.post("/v1/auth/signup", json={"username": "grace", "passwort": canary}),
        refresh(refreshed["access_token"]),
    ]

    secrets = [
        canary,
        *(
            tokens[name]
            for tokens in (signed_up, refreshed)
            for name in TOKENS
            if name.endswith("_token")
        ),
    ]
    captured = capsys.readouterr()
    told = captured.out + captured.err + caplog.text
    told += "".join(answer.text for answer in answers) + str(events())
    assert "request" in told
    assert not [secret for secret in secrets if secret in told]


def test_a_broken_outbox_means_no_user_and_no_hash_in_the_logs(client, database, capsys):
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER broken BEFORE INSERT ON outbox_messages FOR EACH ROW"
                " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'broken'"
            )
        )
    try:
        assert client.post("/v1/auth/signup", json=SIGN_UP).status_code == 500
    finally:
        with database.engine.begin() as connection:
            connection.execute(text("DROP TRIGGER broken"))

    logged = capsys.readouterr().out
    assert "request_failed" in logged
    assert "$argon2" not in logged
    assert client.post("/v1/auth/signup", json=SIGN_UP).status_code == 201
