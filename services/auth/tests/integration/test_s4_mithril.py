# SPDX-License-Identifier: Apache-2.0
"""S4, Mithril: every answer, the refusals too, is ``{message, code, data}``."""

import pytest

PASSWORD = "correct horse battery staple"
RORY = {"username": "Rory", "password": "12345"}


@pytest.fixture
def post(client):
    """Posts, and sees to it that the answer is in the envelope."""

    def send(path, **options):
        answer = client.post(f"/api/user/{path}", **options)
        assert answer.json.keys() == {"message", "code", "data"}
        assert answer.content_type == "application/json"
        assert isinstance(answer.json["message"], str)
        return answer

    return send


def test_s4_register_is_200_code_0(post, events):
    answer = post("register", json=RORY)

    assert (answer.status_code, answer.json["code"]) == (200, 0)
    assert answer.json["data"].keys() == {"id", "username"}
    assert answer.json["data"]["username"] == "Rory"
    assert answer.headers["Cache-Control"] == "no-store"
    assert [envelope.type for envelope in events()] == ["UserRegistered"]


@pytest.mark.parametrize("username", ["Rory", "RORY", "store"])
def test_s4_register_of_a_taken_name_is_409_code_3(post, username):
    post("register", json=RORY)

    answer = post("register", json=RORY | {"username": username})

    assert (answer.status_code, answer.json["code"], answer.json["data"]) == (409, 3, None)


@pytest.mark.parametrize("path", ["register", "login"])
@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"username": "Rory"},
        {"password": "12345"},
        RORY | {"password": 12345},
        RORY | {"password": ""},
        RORY | {"username": None},
        RORY | {"username": ["Rory"]},
        RORY | {"role": "admin"},
    ],
)
def test_s4_a_wrong_body_is_400_code_2(post, path, body, events):
    answer = post(path, json=body)

    assert (answer.status_code, answer.json["code"], answer.json["data"]) == (400, 2, None)
    assert events() == []


@pytest.mark.parametrize("path", ["register", "login", "register/"])
def test_s4_a_body_that_is_no_json_is_400_code_2(post, path):
    # The seed's own sample has the comma that JSON does not allow.
    sample = '{"username": "Rory", "password": "12345",}'
    for data, content_type in ((sample, "application/json"), ("x", "text/plain")):
        answer = post(path, data=data, content_type=content_type)

        assert (answer.status_code, answer.json["code"]) == (400, 2)


def test_s4_login_gives_a_token_that_is_sent_raw(client, post):
    user_id = post("register", json=RORY).json["data"]["id"]

    answer = post("login", json=RORY)

    assert (answer.status_code, answer.json["code"]) == (200, 0)
    assert answer.json["data"].keys() == {"token"}
    assert answer.headers["Cache-Control"] == "no-store"
    me = client.get("/v1/users/me", headers={"Authorization": answer.json["data"]["token"]})
    assert me.json["id"] == user_id


def test_s4_login_of_nobody_is_404_code_4(post):
    answer = post("login", json=RORY)

    assert (answer.status_code, answer.json["code"], answer.json["data"]) == (404, 4, None)


def test_s4_login_with_a_wrong_password_is_401_code_5(post):
    post("register", json=RORY)

    answer = post("login", json=RORY | {"password": "54321"})

    assert (answer.status_code, answer.json["code"], answer.json["data"]) == (401, 5, None)


@pytest.mark.parametrize("username", ["Rory", "nobody"])
def test_s4_guessing_is_throttled_for_everybody_and_nobody(post, username):
    post("register", json=RORY)
    guess = {"username": username, "password": "guess"}

    statuses = [post("login", json=guess).status_code for _ in range(11)]
    last = post("login", json=guess)

    assert set(statuses[:9]) == {401 if username == "Rory" else 404}
    assert (last.status_code, last.json["code"]) == (429, 429)
    assert int(last.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("path", ["register", "login"])
def test_s4_another_method_is_refused_in_the_envelope(client, path):
    answer = client.get(f"/api/user/{path}")

    assert (answer.status_code, answer.json["code"]) == (405, 405)
    assert answer.json.keys() == {"message", "code", "data"}


def test_s4_paths_are_not_those_of_s1(client, add_user, bearer):
    """``/api/user/…`` has the envelope, ``/api/users…`` has problems."""
    answer = client.get("/api/users/999", headers=bearer(add_user("root", role="admin")))

    assert answer.content_type == "application/problem+json"
