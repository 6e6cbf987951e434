# SPDX-License-Identifier: Apache-2.0
"""S1, Marketplace: the token, and admins who manage users."""

import pytest

PASSWORD = "correct horse battery staple"
USER_FIELDS = {"id", "username", "email", "fullname", "rol", "role"}
LOG_IN = {"email": "josuecevedo@gmail.com", "password": "rgu7ue56ie"}
NEW_USER = {
    "fullname": "arnoldo",
    "password": "cheutere",
    "username": "marado",
    "email": "josuecevedo@xd.com",
    "rol": 2,
}


@pytest.fixture
def root(add_user):
    return add_user("root", role="admin")


@pytest.fixture
def ada(add_user):
    return add_user("ada", email="ada@example.com")


@pytest.fixture
def as_root(client, root, bearer):
    """Calls as an admin: ``as_root("put", "/6", {"rol": 1})``."""

    def call(method, path="", body=None):
        url = f"/api/users{path}"
        return getattr(client, method)(url, json=body, headers=bearer(root))

    return call


def test_s1_login_gives_a_token_under_its_capital_letter(client, accounts, as_root):
    as_root("post", "", NEW_USER | LOG_IN)

    answer = client.post("/users/login", json=LOG_IN)

    assert answer.status_code == 200
    assert answer.json.keys() == {"Token"}
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("header", ["Authorization", "Autorization"])
@pytest.mark.parametrize("spelling", ["Bearer {}", "{}"])
def test_s1_token_works_under_the_seeds_header_too(client, ada, header, spelling):
    body = {"email": "ada@example.com", "password": PASSWORD}
    token = client.post("/users/login", json=body).json["Token"]

    answer = client.get("/v1/users/me", headers={header: spelling.format(token)})

    assert answer.json["id"] == ada.id


@pytest.mark.parametrize("wrong", [{"password": "x"}, {"email": "eve@example.com"}])
def test_s1_login_with_wrong_credentials_is_401(client, ada, wrong):
    right = {"email": "ada@example.com", "password": PASSWORD}

    answer = client.post("/users/login", json=right | wrong)

    assert (answer.status_code, answer.json["code"]) == (401, "bad_credentials")


def test_s1_login_is_throttled(client, ada):
    body = {"email": "ada@example.com", "password": "guess"}
    statuses = [client.post("/users/login", json=body).status_code for _ in range(11)]

    assert statuses[:9] == [401] * 9
    assert statuses[10] == 429


def test_s1_login_needs_no_accept_header_unlike_s0(client, ada):
    body = {"email": "ada@example.com", "password": PASSWORD}

    assert client.post("/users/login/", json=body).status_code == 200


@pytest.mark.parametrize(
    "body", [{}, {"email": "a@b"}, {"email": 7, "password": "x"}, LOG_IN | {"x": 1}, []]
)
def test_s1_login_with_wrong_fields_is_422(client, body):
    assert client.post("/users/login", json=body).status_code == 422


def test_s1_get_users_lists_them_with_their_place(as_root, root, ada, add_user):
    grace = add_user("grace", role="analyst")

    answer = as_root("get")

    assert answer.status_code == 200
    assert [user["id"] for user in answer.json] == [root.id, ada.id, grace.id]
    assert all(user.keys() == USER_FIELDS for user in answer.json)
    assert [user["rol"] for user in answer.json] == [1, 2, 3]
    assert answer.headers["X-Total-Count"] == "3"
    assert 'rel="first"' in answer.headers["Link"]
    assert 'rel="next"' not in answer.headers["Link"]


def test_s1_get_users_by_page(as_root, root, ada, add_user, accounts):
    gone = add_user("gone")
    accounts.delete_user(gone.id)
    grace = add_user("grace")

    first, second, third = (as_root("get", f"?page={page}&limit=2") for page in (1, 2, 3))

    assert [user["id"] for user in first.json] == [root.id, ada.id]
    assert [user["id"] for user in second.json] == [grace.id]
    assert third.json == []
    assert 'rel="next"' in first.headers["Link"]
    assert 'rel="prev"' in second.headers["Link"]
    assert second.headers["X-Total-Count"] == "3"


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "limit=0", "limit=501", "page=x", "page=10001", "q=x"]
)
def test_s1_get_users_with_a_wrong_page_is_422(as_root, query):
    assert as_root("get", f"?{query}").status_code == 422


def test_s1_get_user(as_root, ada):
    for path in (f"/{ada.id}", f"/{ada.id}/"):
        answer = as_root("get", path)

        assert answer.status_code == 200
        assert (answer.json["id"], answer.json["rol"]) == (ada.id, 2)


def test_s1_post_user_creates_one(as_root, client, events):
    answer = as_root("post", "", NEW_USER)

    assert answer.status_code == 201
    assert answer.json.keys() == USER_FIELDS
    assert (answer.json["username"], answer.json["rol"]) == ("marado", 2)
    assert answer.headers["Location"] == f"/api/users/{answer.json['id']}"
    assert events()[-1].data["username"] == "marado"
    body = {"email": "josuecevedo@xd.com", "password": "cheutere"}
    assert client.post("/users/login", json=body).status_code == 200


@pytest.mark.parametrize(("rol", "role"), [(1, "admin"), (2, "user"), (3, "analyst")])
def test_s1_post_user_with_each_rol(as_root, rol, role):
    answer = as_root("post", "", NEW_USER | {"rol": rol})

    assert (answer.json["rol"], answer.json["role"]) == (rol, role)


def test_s1_post_user_without_a_rol_is_an_ordinary_one(as_root):
    answer = as_root("post", "", {"username": "marado", "password": "cheutere"})

    assert (answer.status_code, answer.json["rol"]) == (201, 2)


@pytest.mark.parametrize(
    ("same", "code"),
    [
        ({"username": "ADA"}, "username_taken"),
        ({"email": "ADA@example.com"}, "email_taken"),
        ({"username": "store"}, "username_taken"),
    ],
)
def test_s1_post_user_who_exists_is_409(as_root, ada, same, code):
    answer = as_root("post", "", NEW_USER | same)

    assert (answer.status_code, answer.json["code"]) == (409, code)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"rol": 0}, "rol"),
        ({"rol": 4}, "rol"),
        ({"rol": "1"}, "rol"),
        ({"rol": True}, "rol"),
        ({"rol": None}, "rol"),
        ({"role": "admin"}, "role"),
        ({"password": ""}, "password"),
        ({"username": None}, "username"),
        ({"email": "nowhere"}, "email"),
        ({"id": 7}, "id"),
    ],
)
def test_s1_post_user_names_what_is_wrong(as_root, wrong, field):
    answer = as_root("post", "", NEW_USER | wrong)

    assert (answer.status_code, answer.json["errors"].keys()) == (422, {field})


def test_s1_put_user_makes_an_admin_whose_old_token_is_dead(as_root, client, ada, bearer):
    old = bearer(ada)

    answer = as_root("put", f"/{ada.id}/", {"rol": 1})

    assert (answer.status_code, answer.json["rol"]) == (200, 1)
    assert client.get("/v1/users/me", headers=old).status_code == 401


def test_s1_put_user_changes_the_other_fields_too(as_root, client, ada):
    body = {"email": "new@example.com", "fullname": "Ada", "password": "12345"}

    answer = as_root("put", f"/{ada.id}", body)

    assert answer.status_code == 200
    assert (answer.json["email"], answer.json["fullname"]) == ("new@example.com", "Ada")
    log_in = {"email": "new@example.com", "password": "12345"}
    assert client.post("/users/login", json=log_in).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"rol": 9}, "rol"),
        ({"rol": "2"}, "rol"),
        ({"rol": True}, "rol"),
        ({"username": "x"}, "username"),
        ({"password": None}, "password"),
    ],
)
def test_s1_put_user_names_what_is_wrong(as_root, ada, wrong, field):
    answer = as_root("put", f"/{ada.id}", wrong)

    assert (answer.status_code, answer.json["errors"].keys()) == (422, {field})


def test_s1_put_user_with_a_taken_address_is_409(as_root, root, ada):
    answer = as_root("put", f"/{root.id}", {"email": "ada@example.com"})

    assert (answer.status_code, answer.json["code"]) == (409, "email_taken")


def test_s1_delete_user(as_root, ada, events):
    answer = as_root("delete", f"/{ada.id}")

    assert answer.status_code == 200
    assert answer.json.keys() == {"message", "id"}
    assert answer.json["id"] == ada.id
    assert events()[-1].type == "UserDeleted"
    assert as_root("get", f"/{ada.id}").status_code == 404


@pytest.mark.parametrize(("method", "body"), [("put", {"rol": 2}), ("delete", None)])
def test_s1_the_last_admin_stays(as_root, root, method, body):
    answer = as_root(method, f"/{root.id}", body)

    assert (answer.status_code, answer.json["code"]) == (409, "last_admin")


@pytest.mark.parametrize("ref", ["999999", "nobody", "9" * 30, "0", "-1"])
def test_s1_a_user_who_does_not_exist_is_404(as_root, ref):
    for method in ("get", "put", "delete"):
        body = {"rol": 2} if method == "put" else None
        answer = as_root(method, f"/{ref}", body)

        assert (answer.status_code, answer.json["code"]) == (404, "not_found")


CALLS = [("get", ""), ("post", ""), ("get", "/1"), ("put", "/1"), ("delete", "/1")]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_s1_users_are_for_admins_only(client, add_user, bearer, method, path):
    def status(headers):
        return getattr(client, method)(f"/api/users{path}", json={}, headers=headers).status_code

    assert status(bearer(add_user("ada"))) == 403
    assert status(bearer(add_user("grace", role="analyst"))) == 403
    assert status({}) == 401
    assert status({"Autorization": "Bearer forged"}) == 401


def test_s1_a_guest_gets_neither_a_role_nor_a_password(as_root, accounts):
    guest = accounts.create_guest(username="customer1")

    for body, field in (({"rol": 1}, "role"), ({"password": "12345"}, "password")):
        answer = as_root("put", f"/{guest.id}", body)

        assert (answer.status_code, answer.json["errors"].keys()) == (422, {field})
    assert as_root("put", f"/{guest.id}", {"rol": 2}).status_code == 200


def test_s1_broken_json(client, root, bearer):
    for method, path in (("post", "/api/users"), ("put", "/api/users/1"), ("post", "/users/login")):
        answer = getattr(client, method)(
            path, data='{"rol": 1,}', content_type="application/json", headers=bearer(root)
        )

        assert (answer.status_code, answer.json["code"]) == (400, "malformed_body")
