# SPDX-License-Identifier: Apache-2.0
"""What a careless or hostile client does, and what it gets."""

import base64
import json

import pytest
import requests


def test_bad_tokens_are_refused_and_identity_headers_change_nothing(shop):
    ada = shop.sign_up()
    head, claims, signature = ada.token.split(".")
    forged = json.loads(base64.urlsafe_b64decode(claims + "=="))
    forged["role"] = "admin"
    body = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    bad = [f"{head}.{body}.{signature}", f"{none}.{body}.", "x", "a.b.c", ada.token[:-4] + "AAAA"]
    claimed = {"X-User-Id": "1", "X-User-Role": "admin", "X_User_Id": "1", "X-User-Name": "root"}

    for token in bad:
        answer = shop.visitor().get("/v1/users/me", Authorization=f"Bearer {token}", **claimed)
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid"), token
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert ada.get("/v1/users", **claimed).status_code == 403
    assert shop.visitor().get("/v1/users", **claimed).status_code == 401


def test_a_demoted_admin_loses_every_write_at_once(shop):
    root, other = shop.admin(), shop.sign_up("former-admin")
    root.patch(f"/v1/users/{other.id}", {"role": "admin"})
    other = shop.log_in(other.username)
    lamp = shop.product(root)
    assert other.patch(f"/v1/products/{lamp['id']}", {"price": 1}).status_code == 200

    root.patch(f"/v1/users/{other.id}", {"role": "user"})

    assert other.patch(f"/v1/products/{lamp['id']}", {"price": 2}).status_code == 401
    assert root.get(f"/v1/products/{lamp['id']}").json()["price"] == "1.00"


def test_a_refresh_token_works_once_and_its_theft_ends_the_session(shop):
    ada = shop.sign_up()

    first = ada.post("/v1/auth/refresh", {"refresh_token": ada.refresh_token})

    assert first.status_code == 200
    assert first.json()["refresh_token"] != ada.refresh_token
    assert shop.visitor().post("/v1/auth/refresh", {"refresh_token": "x"}).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "content_type", "status"),
    [
        ("POST", "/v1/auth/signup", b"{", "application/json", 400),
        ("POST", "/v1/auth/signup", b"{}", "text/plain", 415),
        ("POST", "/v1/auth/signup", b'{"username": 7, "password": true}', "application/json", 422),
        (
            "POST",
            "/v1/auth/login",
            b'{"login": "x", "password": "y", "z": 1}',
            "application/json",
            422,
        ),
        ("POST", "/v1/products", b'{"name": "x", "price": 1}', "application/json", 401),
        ("PUT", "/v1/cart/items/1", b'{"quantity": 1}', "application/json", 401),
        ("GET", "/v1/nothing", None, None, 404),
        ("GET", "/internal/users/1/epoch", None, None, 404),
        ("GET", "/metrics", None, None, 404),
        ("GET", "/v1/products/%2e%2e%2f%2e%2e%2fmetrics", None, None, 400),
        ("DELETE", "/v1/auth/login", None, None, 405),
        ("POST", "/v1/auth/signup", b"x" * 2_000_000, "application/json", 413),
    ],
)
def test_what_makes_no_sense_gets_a_problem(shop, method, path, body, content_type, status):
    headers = {"Content-Type": content_type} if content_type else {}

    answer = requests.request(method, shop.url + path, data=body, headers=headers, timeout=10)

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert {"type", "title", "detail", "instance", "request_id", "code", "message"} <= set(problem)
    assert answer.headers["X-Request-Id"] == problem["request_id"]


@pytest.mark.parametrize("quantity", [0, -1, 2**31, 2**63, 1.5, "1", True, None])
def test_an_impossible_quantity_is_refused_everywhere(shop, quantity):
    lamp = shop.product(shop.admin())
    ada = shop.sign_up()

    cart = ada.put(f"/v1/cart/items/{lamp['id']}", {"quantity": quantity})
    order = ada.order({"items": [{"product": lamp["id"], "quantity": quantity}]})

    assert (cart.status_code, order.status_code) == (422, 422)
    assert ada.get("/v1/cart").json()["items"] == []


def test_paths_work_with_and_without_a_slash_and_without_a_redirect(shop):
    lamp = shop.product(shop.admin())

    for path in ("/v1/products", f"/v1/products/{lamp['id']}"):
        for address in (path, f"{path}/"):
            answer = requests.get(shop.url + address, timeout=10, allow_redirects=False)
            assert answer.status_code == 200, address


def test_everything_reports_itself_ready(shop):
    answer = shop.visitor().get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["ok"] is True
    assert set(answer.json()["services"]) >= {"auth", "catalog", "orders", "notifier", "analytics"}
    assert shop.visitor().get("/healthz").json() == {"ok": True}


def test_answers_carry_security_headers_and_no_version(shop):
    for path in ("/v1/products", "/v1/nothing", "/healthz"):
        answer = shop.visitor().get(path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert not any(character.isdigit() for character in answer.headers.get("Server", ""))


@pytest.mark.parametrize(
    ("length", "status", "code"), [(5000, 404, "product_not_found"), (9000, 414, "uri_too_long")]
)
def test_a_long_address_gets_a_problem_from_whoever_refuses_it(shop, length, status, code):
    answer = shop.visitor().get("/v1/products/" + "9" * length)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
