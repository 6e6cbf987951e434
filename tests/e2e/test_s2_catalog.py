# SPDX-License-Identifier: Apache-2.0
"""S2, the catalog microservice: sign-up to refresh, and products of one's own."""

import secrets

import pytest

PASSWORD = "a long sentence nobody guesses"


@pytest.fixture
def grace(shop):
    """Somebody who signed up on this surface, with what the answer said."""
    username = f"grace-{secrets.token_hex(4)}"
    body = {"username": username, "email": f"{username}@mail.example", "password": PASSWORD}
    answer = shop.visitor().post("/api/auth/signup", body)
    assert answer.status_code == 201, answer.text
    person, said = shop.visitor(), answer.json()
    person.id, person.username = said["id"], username
    person.token, person.refresh_token = said["access_token"], said["refresh_token"]
    assert set(said) == {"id", "username", "email", "access_token", "refresh_token"}
    return person


def test_s2_signup_twice_is_409(shop, grace):
    body = {"username": grace.username, "email": "new@mail.example", "password": PASSWORD}

    assert shop.visitor().post("/api/auth/signup", body).status_code == 409


def test_s2_login(shop, grace):
    body = {"username": grace.username, "password": PASSWORD}

    answer = shop.visitor().post("/api/auth/login", body)

    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"access_token", "refresh_token", "user"}
    assert answer.json()["user"]["username"] == grace.username
    wrong = shop.visitor().post("/api/auth/login", body | {"password": "wrong"})
    assert wrong.status_code == 401


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_s2_refresh_takes_the_refresh_token_as_bearer_and_no_access_token(shop, grace, method):
    visitor = shop.visitor()

    answer = visitor.call(
        method, "/api/auth/refresh", Authorization=f"Bearer {grace.refresh_token}"
    )

    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["access_token"]
    token = f"Bearer {answer.json()['access_token']}"
    assert visitor.get("/v1/users/me", Authorization=token).json()["id"] == grace.id
    again = visitor.call(method, "/api/auth/refresh", Authorization=f"Bearer {grace.refresh_token}")
    assert again.status_code == 200
    for wrong in (f"Bearer {grace.token}", "Bearer nonsense", None):
        refused = visitor.call(method, "/api/auth/refresh", Authorization=wrong)
        assert refused.status_code == 401, wrong


def test_s2_a_refresh_token_opens_nothing_else(shop, grace):
    answer = shop.visitor().get("/v1/users/me", Authorization=f"Bearer {grace.refresh_token}")

    assert answer.status_code == 401


def test_s2_a_refresh_token_dies_with_the_log_out_everywhere(shop, grace):
    assert grace.post("/v1/auth/logout-all").status_code == 204

    answer = shop.visitor().get("/api/auth/refresh", Authorization=f"Bearer {grace.refresh_token}")

    assert answer.status_code == 401


def test_s2_own_products(shop, grace):
    body = {"name": "Lamp", "price": 12.5, "description": "It glows."}

    made = grace.post("/api/products", body)

    assert made.status_code == 201, made.text
    assert made.json().items() >= body.items()
    assert made.json()["user_id"] == grace.id
    assert grace.get("/api/products/my").json() == [made.json()]
    assert shop.visitor().get("/api/products/my").status_code == 401
    assert shop.sign_up().get("/api/products/my").json() == []


def test_s2_delete_only_what_is_ones_own(shop, grace):
    product = grace.post("/api/products", {"name": "Lamp", "price": 1}).json()

    assert shop.sign_up().delete(f"/api/products/{product['id']}").status_code == 403
    assert grace.delete(f"/api/products/{product['id']}").status_code == 200
    assert grace.delete(f"/api/products/{product['id']}").status_code == 404
