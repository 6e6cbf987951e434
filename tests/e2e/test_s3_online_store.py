# SPDX-License-Identifier: Apache-2.0
"""S3, the online store of 12.12: guests, carts, and orders that never oversell."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture(scope="module")
def seller(shop):
    return shop.admin()


@pytest.fixture
def guest(shop):
    """A customer as the seed makes one: a name and no password."""
    return new_guest(shop)


def new_guest(shop):
    username = f"customer1-{secrets.token_hex(4)}"
    answer = shop.visitor().post("/customer/add", {"username": username})
    assert answer.status_code == 201, answer.text
    said, person = answer.json(), shop.visitor()
    assert set(said) == {"customer_id", "id", "username", "access_token"}
    assert said["customer_id"] == said["id"]
    person.id, person.username, person.token = said["id"], username, said["access_token"]
    return person


def add(person, product, quantity=1):
    body = {"customer_id": person.id, "product_id": product["id"], "quantity": quantity}
    return person.post("/cart/add", body)


def order(person):
    return person.post("/order/add", {"customer_id": person.id})


def test_s3_a_customers_name_is_taken_once(shop, guest):
    again = shop.visitor().post("/customer/add", {"username": guest.username})

    assert again.status_code == 409
    assert shop.visitor().post("/customer/add", {"username": 1}).status_code == 422


def test_s3_a_guest_can_not_log_in(shop, guest):
    body = {"login": guest.username, "password": ""}

    assert shop.visitor().post("/v1/auth/login", body).status_code == 422
    body["password"] = "guess"
    assert shop.visitor().post("/v1/auth/login", body).status_code == 401


def test_s3_products(shop, seller):
    made = seller.post("/product/add", {"product_name": "product1", "stock": 0})

    assert made.status_code == 201, made.text
    product = made.json()
    assert (product["product_name"], product["stock"], product["price"]) == ("product1", 0, 0)
    assert shop.visitor().get(f"/product/{product['product_id']}").json() == product
    everything = shop.visitor().get("/product/all?limit=500", Accept=None)
    assert everything.status_code == 200
    assert product in everything.json()
    visitor = shop.visitor()
    refused = visitor.post("/product/add", {"product_name": "x", "stock": 0})
    assert refused.status_code == 401
    assert seller.post("/product/add", {"product_name": "x", "stock": -1}).status_code == 422


def test_s3_add_stock_by_any_name_of_the_product(shop):
    owner, name = shop.sign_up(), f"product-{secrets.token_hex(4)}"
    product = owner.post("/product/add", {"product_name": name, "stock": 0}).json()
    refs = [product["id"], str(product["id"]), product["public_id"], name]

    stocks = [
        owner.post("/product/add-stock", {"product_id": ref, "stock": 10}).json()["stock"]
        for ref in refs
    ]

    assert stocks == [10, 20, 30, 40]
    for who, ref, stock, status in [
        (owner, name, -1, 422),
        (owner, "nobody-has-this-name", 1, 404),
        (shop.sign_up(), product["id"], 1, 403),
        (shop.visitor(), product["id"], 1, 401),
    ]:
        answer = who.post("/product/add-stock", {"product_id": ref, "stock": stock})
        assert answer.status_code == status, answer.text


def test_s3_a_name_that_several_products_have_is_409(shop):
    owner, name = shop.sign_up(), f"twin-{secrets.token_hex(4)}"
    for _ in range(2):
        owner.post("/product/add", {"product_name": name, "stock": 0})

    answer = owner.post("/product/add-stock", {"product_id": name, "stock": 1})

    assert answer.status_code == 409


def test_s3_cart(shop, seller, guest):
    lamp = shop.product(seller, "Lamp", price=3, quantity=2)

    first = add(guest, lamp)
    second = add(guest, lamp, 5)

    assert first.status_code == second.status_code == 201, second.text
    assert second.json() == {
        "customer_id": guest.id,
        "items": [
            {
                "product_id": lamp["id"],
                "product_name": "Lamp",
                "quantity": 6,
                "price": 3,
                "available": 2,
            }
        ],
    }
    assert guest.get(f"/cart/{guest.id}").json() == second.json()
    away = {"customer_id": guest.id, "product_id": lamp["id"]}
    removed = guest.post("/cart/remove", away)
    assert (removed.status_code, removed.json()["items"]) == (200, [])
    assert guest.post("/cart/remove", away).status_code == 404
    assert add(guest, {"id": 999_999_999}).status_code == 404
    assert add(guest, lamp, 0).status_code == 422


def test_s3_a_cart_is_its_customers_and_the_admins(shop, seller, guest):
    stranger, path = new_guest(shop), f"/cart/{guest.id}"

    assert stranger.get(path).status_code == 403
    assert shop.visitor().get(path).status_code == 401
    assert seller.get(path).status_code == 200
    assert seller.get("/cart/999999999").status_code == 404
    body = {"customer_id": guest.id}
    assert stranger.post("/order/add", body).status_code == 403
    assert shop.visitor().post("/order/add", body).status_code == 401


def test_s3_order_everything_in_the_cart(shop, seller, guest):
    lamp = shop.product(seller, "Lamp", price="2.50", quantity=5)
    add(guest, lamp, 2)

    answer = order(guest)

    assert answer.status_code == 201, answer.text
    placed = answer.json()
    assert placed["customer_id"] == guest.id
    assert (placed["total"], placed["status"]) == (5, "confirmed")
    assert [(line["product_id"], line["quantity"]) for line in placed["items"]] == [(lamp["id"], 2)]
    assert guest.get(f"/cart/{guest.id}").json()["items"] == []
    total = shop.visitor().get(f"/order/product/{lamp['id']}")
    assert total.json() == {"product_id": lamp["id"], "total_quantity": 2}
    assert order(guest).status_code == 422
    assert shop.visitor().get("/order/product/999999999").status_code == 404


def test_s3_beyond_the_stock_every_short_line_is_named_and_the_cart_is_kept(shop, seller, guest):
    lamp, cup, plate = (
        shop.product(seller, name, quantity=units)
        for name, units in [("Lamp", 1), ("Cup", 10), ("Plate", 0)]
    )
    add(guest, lamp, 2), add(guest, cup, 3), add(guest, plate, 1)

    answer = order(guest)

    assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_stock")
    assert answer.json()["items"] == [
        {"product_id": lamp["id"], "requested": 2, "available": 1},
        {"product_id": plate["id"], "requested": 1, "available": 0},
    ]
    assert len(guest.get(f"/cart/{guest.id}").json()["items"]) == 3
    assert shop.visitor().get(f"/product/{cup['id']}").json()["stock"] == 10
    for product in (lamp, plate):
        seller.post("/product/add-stock", {"product_id": product["id"], "stock": 5})
    assert order(guest).status_code == 201


def test_s3_a_double_click_is_one_order(shop, seller, guest):
    lamp = shop.product(seller, "Lamp", quantity=10)
    add(guest, lamp, 3)

    with ThreadPoolExecutor(4) as clicks:
        answers = list(clicks.map(lambda _: order(guest), range(4)))

    assert {answer.status_code for answer in answers} <= {201, 409, 422}
    made = {answer.json()["order_id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    total = shop.visitor().get(f"/order/product/{lamp['id']}").json()["total_quantity"]
    assert total == 3


def test_s3_two_guests_one_unit(shop, seller):
    lamp = shop.product(seller, "Lamp", quantity=1)
    guests = [new_guest(shop), new_guest(shop)]
    for one in guests:
        add(one, lamp)

    with ThreadPoolExecutor(2) as clicks:
        statuses = sorted(answer.status_code for answer in clicks.map(order, guests))

    assert statuses == [201, 409]
