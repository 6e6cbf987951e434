# SPDX-License-Identifier: Apache-2.0
"""S0, Simple Project: every row of its users, and every status that its table knows."""

import pytest

PASSWORD = "correct horse battery staple"
NEW_PASSWORD = "12345"
USER_FIELDS = {"id", "username", "email", "fullname", "rol", "role"}
SIGN_UP = {"username": "ada", "password": "12345", "email": "ada@example.com"}


@pytest.fixture
def ada(add_user):
    return add_user("ada", email="ada@example.com", fullname="Ada")


@pytest.fixture
def root(add_user):
    return add_user("root", role="admin")


@pytest.fixture
def post(client):
    """Posts as S0's clients do: they say what they accept."""

    def send(path, body=None, user_headers=None, **options):
        headers = {"Accept": "application/json", **(user_headers or {})}
        return client.post(f"/users/{path}", json=body, headers=headers, **options)

    return send


def test_s0_sign_up_creates_the_user(post, events):
    answer = post("SignUp", SIGN_UP)

    assert answer.status_code == 201
    assert answer.json.keys() == USER_FIELDS
    assert (answer.json["username"], answer.json["email"]) == ("ada", "ada@example.com")
    assert (answer.json["rol"], answer.json["role"]) == (2, "user")
    assert answer.headers["Cache-Control"] == "no-store"
    assert [envelope.type for envelope in events()] == ["UserRegistered"]


def test_s0_sign_up_needs_no_address(post):
    answer = post("SignUp", {"username": "ada", "password": "1", "fullname": "Ada Lovelace"})

    assert answer.status_code == 201
    assert (answer.json["email"], answer.json["fullname"]) == (None, "Ada Lovelace")


@pytest.mark.parametrize(
    ("same", "field"),
    [
        ({"username": "ADA", "email": "other@example.com"}, "username"),
        ({"username": "grace", "email": "ADA@example.com"}, "email"),
        ({"username": "Store"}, "username"),
    ],
)
def test_s0_sign_up_of_a_duplicate_is_422_and_names_the_field(post, ada, same, field):
    answer = post("SignUp", SIGN_UP | same)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert answer.json["errors"].keys() == {field}
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"username": "a@b"}, "username"),
        ({"username": None}, "username"),
        ({"username": 7}, "username"),
        ({"password": ""}, "password"),
        ({"password": "x" * 257}, "password"),
        ({"password": "1\0"}, "password"),
        ({"password": 12345}, "password"),
        ({"email": "nowhere"}, "email"),
        ({"rol": 1}, "rol"),
        ({"role": "admin"}, "role"),
        ({"guest": True}, "guest"),
    ],
)
def test_s0_sign_up_names_what_is_wrong(post, wrong, field, events):
    answer = post("SignUp", SIGN_UP | wrong)

    assert answer.status_code == 422
    assert answer.json["errors"].keys() == {field}
    assert events() == []


@pytest.mark.parametrize("name", [{"username": "ada"}, {"email": "ada@example.com"}])
def test_s0_sign_in_by_either_name(client, post, ada, name):
    answer = post("SignIn", name | {"password": PASSWORD})

    assert answer.status_code == 200
    assert answer.json.keys() == {"token", "access_token", "refresh_token", "user"}
    assert answer.json["token"] == answer.json["access_token"]
    assert answer.json["user"].keys() == USER_FIELDS
    assert answer.headers["Cache-Control"] == "no-store"
    me = client.get("/v1/users/me", headers={"Authorization": f"Bearer {answer.json['token']}"})
    assert me.json["id"] == ada.id


@pytest.mark.parametrize(
    "wrong", [{"username": "ada", "password": "x"}, {"username": "eve", "password": PASSWORD}]
)
def test_s0_sign_in_with_wrong_credentials_is_401(post, ada, wrong):
    answer = post("SignIn", wrong)

    assert (answer.status_code, answer.json["code"]) == (401, "bad_credentials")
    assert "WWW-Authenticate" in answer.headers


@pytest.mark.parametrize("names", [{}, {"username": "ada", "email": "ada@example.com"}])
def test_s0_sign_in_takes_exactly_one_name(post, ada, names):
    answer = post("SignIn", {"password": PASSWORD, **names})

    assert (answer.status_code, answer.json["errors"].keys()) == (422, {"username"})


@pytest.mark.parametrize("path", ["SignUp", "SignIn", "1"])
def test_s0_without_accept_is_440(client, path):
    answer = client.post(f"/users/{path}", json={})

    assert (answer.status_code, answer.json["code"]) == (440, "accept_missing")


def test_s0_takes_any_accept(client):
    answer = client.post("/users/SignUp", json=SIGN_UP, headers={"Accept": "*/*"})

    assert answer.status_code == 201


def test_s0_post_user_changes_oneself(post, ada, bearer, events):
    body = {"email": "new@example.com", "fullname": "Ada Lovelace"}

    answer = post(ada.id, body, bearer(ada))

    assert answer.status_code == 200
    assert answer.json.keys() == USER_FIELDS
    assert answer.json.items() >= body.items()
    assert events()[-1].type == "UserChanged"


def test_s0_post_user_changes_ones_password_with_the_current_one(post, ada, bearer):
    body = {"password": NEW_PASSWORD, "current_password": PASSWORD}

    assert post(ada.id, body, bearer(ada)).status_code == 200

    assert post("SignIn", {"username": "ada", "password": NEW_PASSWORD}).status_code == 200
    assert post("SignIn", {"username": "ada", "password": PASSWORD}).status_code == 401


@pytest.mark.parametrize("current", [{}, {"current_password": "wrong"}])
def test_s0_post_user_keeps_the_password_without_the_right_current_one(post, ada, bearer, current):
    answer = post(ada.id, {"password": NEW_PASSWORD, **current}, bearer(ada))

    assert (answer.status_code, answer.json["errors"].keys()) == (422, {"current_password"})
    assert post("SignIn", {"username": "ada", "password": PASSWORD}).status_code == 200


def test_s0_post_user_lets_admins_change_anybody_without_a_password(post, ada, root, bearer):
    answer = post(ada.id, {"password": NEW_PASSWORD, "fullname": "Ada L."}, bearer(root))

    assert (answer.status_code, answer.json["fullname"]) == (200, "Ada L.")
    assert post("SignIn", {"username": "ada", "password": NEW_PASSWORD}).status_code == 200


def test_s0_post_user_by_an_admin_with_a_current_password(post, ada, root, bearer):
    body = {"password": NEW_PASSWORD, "current_password": PASSWORD}

    others = post(ada.id, body, bearer(root))
    own = post(root.id, body, bearer(root))

    assert (others.status_code, others.json["errors"].keys()) == (422, {"current_password"})
    assert own.status_code == 200


def test_s0_post_user_without_a_good_token_is_401(post, ada):
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Autorization": "x"}):
        answer = post(ada.id, {"fullname": "x"}, headers)

        assert answer.status_code == 401
        assert "WWW-Authenticate" in answer.headers


def test_s0_post_user_for_somebody_else_is_403_whether_they_exist_or_not(post, ada, root, bearer):
    for user_id in (root.id, 999999):
        assert post(user_id, {"fullname": "x"}, bearer(ada)).status_code == 403


@pytest.mark.parametrize("ref", ["999999", "nobody", "9" * 30, "0"])
def test_s0_post_user_who_does_not_exist_is_404(post, root, bearer, ref):
    assert post(ref, {"fullname": "x"}, bearer(root)).status_code == 404


def test_s0_post_user_with_a_taken_address_is_422(post, ada, root, bearer):
    answer = post(root.id, {"email": "ADA@example.com"}, bearer(root))

    assert (answer.status_code, answer.json["errors"].keys()) == (422, {"email"})


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"username": "other"}, "username"),
        ({"rol": 1}, "rol"),
        ({"role": "admin"}, "role"),
        ({"email": 7}, "email"),
        ({"password": None}, "password"),
        ({"id": 1}, "id"),
    ],
)
def test_s0_post_user_names_what_can_not_be_changed(post, ada, root, bearer, wrong, field):
    for user in (ada, root):
        answer = post(ada.id, wrong, bearer(user))

        assert (answer.status_code, answer.json["errors"].keys()) == (422, {field})


@pytest.mark.parametrize("path", ["SignUp", "SignIn", "SignUp/"])
def test_s0_broken_json_and_other_types(client, path):
    def send(data, content_type="application/json"):
        return client.post(
            f"/users/{path}", data=data, content_type=content_type, headers={"Accept": "*/*"}
        )

    assert send("{").status_code == 400
    assert send("{}", "text/plain").status_code == 415
    assert send("[]").status_code == 422
    assert send('"x"').status_code == 422
    assert send("null").status_code == 422
