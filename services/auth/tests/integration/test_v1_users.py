# SPDX-License-Identifier: Apache-2.0
"""One's own account, and everybody's for admins, over HTTP."""

import pytest

PASSWORD = "correct horse battery staple"
NEW_PASSWORD = "another horse entirely"
USER_FIELDS = {"id", "username", "email", "fullname", "role", "guest", "created_at"}


@pytest.fixture
def root(add_user):
    return add_user("root", role="admin")


@pytest.fixture
def ada(add_user):
    return add_user("ada", email="ada@example.com", fullname="Ada")


@pytest.fixture
def log_in(client):
    return lambda login, password=PASSWORD: client.post(
        "/v1/auth/login", json={"login": login, "password": password}
    )


def test_everybody_sees_their_own_account(client, ada, bearer):
    answer = client.get("/v1/users/me", headers=bearer(ada))

    assert answer.status_code == 200
    assert answer.json.keys() == USER_FIELDS
    assert (answer.json["id"], answer.json["email"]) == (ada.id, "ada@example.com")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
@pytest.mark.parametrize("path", ["/v1/users/me", "/v1/users/1", "/v1/users"])
def test_without_a_token_nobody_sees_or_does_anything(client, method, path):
    if path == "/v1/users" and method != "get":
        method = "post"
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}):
        answer = getattr(client, method)(path, json={}, headers=headers)

        assert answer.status_code == 401
        assert "WWW-Authenticate" in answer.headers


def test_only_admins_reach_other_accounts_whether_they_exist_or_not(client, ada, root, bearer):
    for method, path in (
        ("get", "/v1/users"),
        ("post", "/v1/users"),
        ("get", f"/v1/users/{root.id}"),
        ("get", "/v1/users/999999"),
        ("patch", f"/v1/users/{root.id}"),
        ("patch", f"/v1/users/{ada.id}"),
        ("delete", f"/v1/users/{root.id}"),
    ):
        answer = getattr(client, method)(path, json={}, headers=bearer(ada))

        assert (answer.status_code, answer.json["code"]) == (403, "forbidden")


def test_a_token_that_claims_a_higher_role_after_a_demotion_is_dead(client, root, add_user, bearer):
    second = add_user("second", role="admin")
    old = bearer(second)
    url = f"/v1/users/{second.id}"
    assert client.patch(url, json={"role": "user"}, headers=bearer(root)).status_code == 200

    assert client.patch(f"/v1/users/{root.id}", json={}, headers=old).status_code == 401


def test_one_changes_and_clears_ones_own_data(client, ada, bearer, events):
    changed = client.patch("/v1/users/me", json={"email": "new@example.com"}, headers=bearer(ada))
    cleared = client.patch(
        "/v1/users/me", json={"email": None, "fullname": None}, headers=bearer(ada)
    )

    assert (changed.status_code, cleared.status_code) == (200, 200)
    assert (changed.json["email"], changed.json["fullname"]) == ("new@example.com", "Ada")
    assert (cleared.json["email"], cleared.json["fullname"]) == (None, None)
    assert [envelope.type for envelope in events()] == ["UserRegistered"] + ["UserChanged"] * 2
    assert events()[-1].actor == f"user/{ada.id}"


def test_a_change_that_changes_nothing_is_told_to_nobody(client, ada, bearer, events):
    for body in ({}, {"email": "ada@example.com"}, {"fullname": "Ada"}):
        assert client.patch("/v1/users/me", json=body, headers=bearer(ada)).status_code == 200

    assert len(events()) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "admin"}, "role"),
        ({"username": "root"}, "username"),
        ({"id": 1}, "id"),
        ({"email": "nowhere"}, "email"),
        ({"email": 1}, "email"),
        ({"fullname": ""}, "fullname"),
        ({"password": None}, "password"),
        ({"password": "short", "current_password": PASSWORD}, "password"),
        ({"password": NEW_PASSWORD}, "current_password"),
        ({"password": NEW_PASSWORD, "current_password": None}, "current_password"),
        ({"password": NEW_PASSWORD, "current_password": "wrong"}, "current_password"),
    ],
)
def test_what_one_may_not_change_is_named(client, ada, bearer, user_now, body, field):
    answer = client.patch("/v1/users/me", json=body, headers=bearer(ada))

    assert (answer.status_code, answer.json["errors"].keys()) == (422, {field})
    assert user_now(ada.id).password_hash == ada.password_hash
    assert user_now(ada.id).email == "ada@example.com"


def test_a_taken_address_is_a_conflict(client, ada, root, bearer):
    for url in ("/v1/users/me", f"/v1/users/{root.id}"):
        answer = client.patch(url, json={"email": "ADA@example.com"}, headers=bearer(root))

        assert (answer.status_code, answer.json["code"]) == (409, "email_taken")


def test_a_new_password_ends_all_log_ins_and_is_the_only_one(client, ada, log_in):
    found = log_in("ada").json
    bearer = {"Authorization": f"Bearer {found['access_token']}"}
    body = {"password": NEW_PASSWORD, "current_password": PASSWORD, "fullname": "Ada L."}

    answer = client.patch("/v1/users/me", json=body, headers=bearer)

    assert (answer.status_code, answer.json["fullname"]) == (200, "Ada L.")
    assert client.patch("/v1/users/me", json={}, headers=bearer).status_code == 401
    refresh = {"refresh_token": found["refresh_token"]}
    assert client.post("/v1/auth/refresh", json=refresh).status_code == 401
    assert log_in("ada").status_code == 401
    assert log_in("ada", NEW_PASSWORD).status_code == 200


def test_guessing_the_current_password_is_throttled_like_a_log_in(client, ada, bearer, log_in):
    body = {"password": NEW_PASSWORD, "current_password": "wrong guess"}
    answers = [client.patch("/v1/users/me", json=body, headers=bearer(ada)) for _ in range(10)]

    assert [answer.status_code for answer in answers] == [422] * 9 + [429]
    assert log_in("ada", "wrong guess").status_code == 429


def test_who_deletes_the_own_account_is_gone_at_once(client, ada, bearer, events):
    headers = bearer(ada)
    assert client.get("/v1/users/me", headers=headers).status_code == 200

    answer = client.delete("/v1/users/me", headers=headers)

    assert (answer.status_code, answer.data) == (204, b"")
    assert client.get("/v1/users/me", headers=headers).status_code == 401
    assert client.delete("/v1/users/me", headers=headers).status_code == 401
    assert events()[-1].type == "UserDeleted"


def test_admins_see_everybody_page_by_page(client, root, add_user, bearer):
    made = [root.id] + [add_user(f"user {number}").id for number in range(6)]
    seen, cursor, pages = [], "", 0
    while cursor is not None:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        answer = client.get("/v1/users", query_string=query, headers=bearer(root))
        assert answer.json.keys() == {"items", "next_cursor"}
        assert all(item.keys() == USER_FIELDS for item in answer.json["items"])
        seen += [item["id"] for item in answer.json["items"]]
        cursor, pages = answer.json["next_cursor"], pages + 1

    assert (seen, pages) == (made, 3)


def test_a_full_last_page_has_no_next_one(client, root, add_user, bearer):
    add_user("ada")

    answer = client.get("/v1/users?limit=2", headers=bearer(root))

    assert (len(answer.json["items"]), answer.json["next_cursor"]) == (2, None)


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("ada", {"ada", "Adam"}),
        ("ADAM", {"Adam"}),
        ("@example", {"ada"}),
        ("%", {"100%"}),
        ("_", set()),
        ("\\", set()),
        ("", {"root", "ada", "Adam", "100%"}),
    ],
)
def test_admins_search_in_names_and_addresses(client, root, ada, add_user, bearer, q, found):
    add_user("Adam")
    add_user("100%")

    answer = client.get("/v1/users", query_string={"q": q}, headers=bearer(root))

    assert {item["username"] for item in answer.json["items"]} == found


def test_the_deleted_are_in_no_list(client, root, ada, bearer):
    assert client.delete(f"/v1/users/{ada.id}", headers=bearer(root)).status_code == 204

    items = client.get("/v1/users", headers=bearer(root)).json["items"]

    assert [item["id"] for item in items] == [root.id]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "limit=1e9", "cursor=x", "cursor=%00", "page=2"]
)
def test_a_wrong_query_is_named(client, root, bearer, query):
    answer = client.get(f"/v1/users?{query}", headers=bearer(root))

    assert answer.status_code == 422
    assert answer.json["errors"].keys() == {query.partition("=")[0]}


def test_a_cursor_is_good_for_its_own_list_only(client, root, ada, bearer):
    cursor = client.get("/v1/users?limit=1", headers=bearer(root)).json["next_cursor"]

    answer = client.get(f"/v1/users?q=a&cursor={cursor}", headers=bearer(root))

    assert answer.status_code == 422


def test_admins_make_accounts_of_any_role(client, root, bearer, log_in):
    body = {"username": "Grace", "password": PASSWORD, "role": "analyst", "email": "g@example.com"}

    answer = client.post("/v1/users", json=body, headers=bearer(root))

    assert answer.status_code == 201
    assert answer.json.keys() == USER_FIELDS
    assert answer.headers["Location"] == f"/v1/users/{answer.json['id']}"
    assert log_in("grace").json["user"]["role"] == "analyst"
    plain = {"username": "Hedy", "password": PASSWORD}
    assert client.post("/v1/users", json=plain, headers=bearer(root)).json["role"] == "user"


@pytest.mark.parametrize("role", ["king", "Admin", 1, None, ""])
def test_there_are_three_roles(client, root, ada, bearer, role):
    body = {"username": "Grace", "password": PASSWORD, "role": role}
    made = client.post("/v1/users", json=body, headers=bearer(root))
    changed = client.patch(f"/v1/users/{ada.id}", json={"role": role}, headers=bearer(root))

    for answer in (made, changed):
        assert (answer.status_code, answer.json["errors"].keys()) == (422, {"role"})


def test_admins_see_and_change_one_account(client, root, ada, bearer, log_in):
    url = f"/v1/users/{ada.id}"
    body = {"role": "analyst", "email": None, "fullname": "A. L.", "password": NEW_PASSWORD}

    answer = client.patch(url, json=body, headers=bearer(root))

    assert answer.status_code == 200
    assert client.get(url, headers=bearer(root)).json == answer.json
    assert (answer.json["role"], answer.json["email"]) == ("analyst", None)
    assert log_in("ada", NEW_PASSWORD).status_code == 200


@pytest.mark.parametrize("body", [{"username": "x"}, {"password": None}, {"current_password": "x"}])
def test_admins_can_not_change_everything(client, root, ada, bearer, body):
    answer = client.patch(f"/v1/users/{ada.id}", json=body, headers=bearer(root))

    assert (answer.status_code, answer.json["errors"].keys()) == (422, set(body))


@pytest.mark.parametrize(
    "ref", ["0", "999999", "9" * 18, "9" * 19, "9" * 5000, "-1", "1.5", "ada", "%00", "١", "me2"]
)
@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_an_id_that_nobody_has_is_not_found(client, root, bearer, method, ref):
    answer = getattr(client, method)(f"/v1/users/{ref}", json={}, headers=bearer(root))

    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


def test_the_last_admin_can_neither_go_nor_step_down(client, root, bearer):
    for method, url, body in (
        ("delete", "/v1/users/me", None),
        ("delete", f"/v1/users/{root.id}", None),
        ("patch", f"/v1/users/{root.id}", {"role": "user"}),
    ):
        answer = getattr(client, method)(url, json=body, headers=bearer(root))

        assert (answer.status_code, answer.json["code"]) == (409, "last_admin")
    assert client.get("/v1/users", headers=bearer(root)).status_code == 200


@pytest.mark.parametrize("method", ["patch", "post"])
def test_malformed_bodies_are_refused(client, root, bearer, method):
    url = "/v1/users/me" if method == "patch" else "/v1/users"
    call = getattr(client, method)

    broken = call(url, data="{", content_type="application/json", headers=bearer(root))
    other = call(url, data="a=b", content_type="text/plain", headers=bearer(root))

    assert (broken.status_code, other.status_code) == (400, 415)
