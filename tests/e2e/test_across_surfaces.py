# SPDX-License-Identifier: Apache-2.0
"""One shop behind all surfaces: an account, a product, and an order are the same on each."""

import secrets

import pytest

from common.testing import eventually
from support.pictures import as_text, png

PASSWORD = "a long sentence nobody guesses"


@pytest.fixture(scope="module")
def admin(shop):
    return shop.admin()


def logins(shop, username, email, password):
    """The token that each surface gives for the same account."""
    visitor = shop.visitor()
    by_name, by_address = {"username": username}, {"email": email}
    answers = {
        "v1": visitor.post("/v1/auth/login", {"login": username, "password": password}),
        "S0": visitor.post("/users/SignIn", by_name | {"password": password}),
        "S1": visitor.post("/users/login", by_address | {"password": password}),
        "S2": visitor.post("/api/auth/login", by_name | {"password": password}),
        "S4": visitor.post("/api/user/login", by_name | {"password": password}),
    }
    for surface, answer in answers.items():
        assert answer.status_code == 200, (surface, answer.text)
    return {
        "v1": answers["v1"].json()["access_token"],
        "S0": answers["S0"].json()["token"],
        "S1": answers["S1"].json()["Token"],
        "S2": answers["S2"].json()["access_token"],
        "S4": answers["S4"].json()["data"]["token"],
    }


@pytest.mark.parametrize("made_on", ["v1", "S0", "S1", "S2"])
def test_one_account_works_on_all_surfaces(shop, admin, made_on):
    username = f"ada-{secrets.token_hex(4)}"
    body = {"username": username, "email": f"{username}@mail.example", "password": PASSWORD}
    path, who = {
        "v1": ("/v1/auth/signup", shop.visitor()),
        "S0": ("/users/SignUp", shop.visitor()),
        "S1": ("/api/users", admin),
        "S2": ("/api/auth/signup", shop.visitor()),
    }[made_on]
    made = who.post(path, body)
    assert made.status_code == 201, made.text

    tokens = logins(shop, username, body["email"], PASSWORD)

    for surface, token in tokens.items():
        me = shop.visitor().get("/v1/users/me", Authorization=f"Bearer {token}")
        assert me.json()["id"] == made.json()["id"], surface


def test_an_account_of_s4_works_elsewhere(shop):
    username = f"Rory-{secrets.token_hex(4)}"
    body = {"username": username, "password": "12345"}
    made = shop.visitor().post("/api/user/register", body).json()["data"]

    answer = shop.visitor().post("/v1/auth/login", {"login": username, "password": "12345"})

    assert answer.status_code == 200, answer.text
    assert answer.json()["user"]["id"] == made["id"]


@pytest.mark.parametrize(
    ("path", "body", "units"),
    [
        ("/v1/products", {"name": "Lamp", "price": "1.50", "quantity": 3}, 3),
        ("/api/products", {"name": "Lamp", "price": 1.5, "quantity": 3}, 3),
        ("/product/add", {"product_name": "Lamp", "stock": 3}, 3),
    ],
)
def test_a_product_made_on_one_surface_is_seen_on_all(shop, path, body, units):
    seller = shop.sign_up("seller")

    made = seller.post(path, body)

    assert made.status_code == 201, made.text
    number = made.json()["id"]
    visitor = shop.visitor()
    v1 = visitor.get(f"/v1/products/{number}").json()
    assert (v1["name"], v1["available"], v1["seller"]["id"]) == ("Lamp", units, seller.id)
    shown = visitor.get(f"/product/{number}").json()
    assert shown == visitor.get(f"/api/products/{number}").json()
    assert (shown["product_name"], shown["stock"], shown["user_id"]) == ("Lamp", units, seller.id)
    assert shown in seller.get("/api/products/my").json()


def test_an_order_of_s3_is_seen_in_v1_in_the_ledger_and_in_the_numbers(shop, admin):
    lamp = shop.product(admin, "Lamp", price="12.50", quantity=9)
    username = f"customer1-{secrets.token_hex(4)}"
    said = shop.visitor().post("/customer/add", {"username": username}).json()
    guest = shop.visitor()
    guest.id, guest.token = said["customer_id"], said["access_token"]
    wanted = {"customer_id": guest.id, "product_id": lamp["id"], "quantity": 2}
    guest.post("/cart/add", wanted)

    placed = guest.post("/order/add", {"customer_id": guest.id})

    assert placed.status_code == 201, placed.text
    order = placed.json()["order_id"]
    assert guest.get(f"/v1/orders/{order}").json()["total"] == "25.00"
    assert [one["id"] for one in guest.get("/v1/orders").json()["items"]] == [order]
    total = shop.visitor().get(f"/order/product/{lamp['id']}").json()["total_quantity"]
    assert total == admin.get(f"/v1/orders/products/{lamp['id']}/total").json()["total_quantity"]

    def in_the_numbers():
        answer = admin.get(f"/v1/analytics/products/{lamp['id']}?bucket=day").json()
        totals = answer.get("totals", {})
        wanted = {"orders": 1, "units": 2, "revenue": "25.00"}
        return totals.items() >= wanted.items() or None

    eventually(
        lambda: (
            admin.get(f"/v1/products/{lamp['id']}/stock/ledger").json()["items"][0]["delta"] == -2
        ),
        seconds=20,
        what="the sale in the ledger",
    )
    eventually(in_the_numbers, seconds=20, what="the sale in the numbers")


def test_one_cart_behind_three_surfaces(shop, admin):
    lamp, ada = shop.product(admin, "Lamp", price=2), shop.sign_up()

    ada.put(f"/v1/cart/items/{lamp['id']}", {"quantity": 1})
    ada.post(f"/addToCars/{ada.id}", {"product_id": lamp["id"]})
    ada.post("/cart/add", {"customer_id": ada.id, "product_id": lamp["id"], "quantity": 1})

    assert ada.get("/v1/cart").json()["items"][0]["quantity"] == 3
    assert ada.get(f"/addToCars/{ada.id}").json()["total"] == 6
    assert ada.get(f"/cart/{ada.id}").json()["items"][0]["quantity"] == 3


def test_a_picture_of_s4_is_an_image_on_v1(shop):
    ada, data = shop.sign_up(), png()
    made = ada.post("/api/picture", {"data": as_text(data)}).json()["data"]

    raw = ada.get(f"/v1/pictures/{made['id']}/raw")

    assert (raw.status_code, raw.content) == (200, data)
    assert raw.headers["Content-Type"] == "image/png"


def test_a_demoted_admin_loses_every_surface_at_once(shop, admin):
    other = shop.sign_up("other")
    assert admin.put(f"/api/users/{other.id}", {"rol": 1}).status_code == 200
    boss = shop.log_in(other.username)
    assert boss.get("/api/users").status_code == 200

    admin.put(f"/api/users/{other.id}", {"rol": 2})

    assert boss.post("/api/users", {}).status_code == 401
    assert boss.post("/api/products", {"name": "x", "price": 1}).status_code == 401
    assert boss.post("/order/add", {"customer_id": boss.id}).status_code == 401
    assert boss.post("/api/picture", {"data": ""}).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/users/login"), ("GET", "/api/products/my"), ("GET", "/product/all")],
)
def test_an_exact_path_goes_before_a_pattern(shop, method, path):
    """None of them is read as somebody's or something's name."""
    answer = shop.sign_up().call(method, path, {} if method == "POST" else None)

    assert answer.status_code == (422 if method == "POST" else 200), answer.text
