# SPDX-License-Identifier: Apache-2.0
"""The main job, from sign-up to the mails and the numbers, through the gateway."""

import secrets

import pytest

from common.testing import eventually


@pytest.fixture
def seller(shop):
    return shop.admin()


def numbers(reader, product, **wanted):
    """A product's totals, once analytics knows the product and they are as *wanted*."""
    answer = reader.get(f"/v1/analytics/products/{product['id']}?bucket=minute")
    totals = answer.json().get("totals", {})
    return totals if wanted.items() <= totals.items() else None


def test_a_shopper_fills_a_cart_and_buys_it(shop, seller):
    lamp = shop.product(seller, "Lamp", price="12.50", quantity=3)
    cup = shop.product(seller, "Cup", price=4, quantity=10)
    ada = shop.sign_up()

    ada.put(f"/v1/cart/items/{lamp['id']}", {"quantity": 2})
    cart = ada.put(f"/v1/cart/items/{cup['public_id']}", {"quantity": 1})
    assert cart.json()["total"] == "29.00"
    order = ada.order()

    assert order.status_code == 201, order.text
    placed = order.json()
    assert placed["status"] == "confirmed"
    assert placed["total"] == "29.00"
    assert [(line["name"], line["quantity"], line["subtotal"]) for line in placed["items"]] == [
        ("Lamp", 2, "25.00"),
        ("Cup", 1, "4.00"),
    ]
    assert ada.get("/v1/cart").json()["items"] == []
    assert ada.get(f"/v1/orders/{placed['id']}").json() == placed
    assert [item["id"] for item in ada.get("/v1/orders").json()["items"]] == [placed["id"]]
    total = ada.get(f"/v1/orders/products/{lamp['id']}/total").json()
    assert total == {"product_id": lamp["id"], "total_quantity": 2}

    def sold():
        entries = seller.get(f"/v1/products/{lamp['id']}/stock/ledger").json()["items"]
        return [entry["delta"] for entry in entries] == [-2, 3]

    eventually(sold, what="the sale in the ledger")
    assert seller.get(f"/v1/products/{lamp['id']}").json()["available"] == 1


def test_what_is_not_there_can_not_be_bought_and_nothing_is_taken(shop, seller):
    lamp = shop.product(seller, "Lamp", quantity=1)
    cup = shop.product(seller, "Cup", quantity=10)
    plate = shop.product(seller, "Plate", quantity=0)
    ada = shop.sign_up()
    wanted = [
        {"product": lamp["id"], "quantity": 2},
        {"product": cup["id"], "quantity": 1},
        {"product": plate["public_id"], "quantity": 3},
    ]

    answer = ada.order({"items": wanted}, key="twice")
    again = ada.order({"items": wanted}, key="twice")

    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "insufficient_stock"
    assert answer.json()["items"] == [
        {"product_id": lamp["id"], "requested": 2, "available": 1},
        {"product_id": plate["id"], "requested": 3, "available": 0},
    ]
    assert again.content == answer.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert seller.get(f"/v1/products/{cup['id']}").json()["available"] == 10


def test_the_same_key_is_the_same_order_and_another_wish_is_refused(shop, seller):
    lamp = shop.product(seller, quantity=5)
    ada, eve = shop.sign_up("ada"), shop.sign_up("eve")
    one = {"items": [{"product": lamp["id"], "quantity": 1}]}
    two = {"items": [{"product": lamp["id"], "quantity": 2}]}

    first = ada.order(one, key="k")
    again = ada.order(one, key="k")
    other_wish = ada.order(two, key="k")
    other_person = eve.order(one, key="k")
    without_key = ada.post("/v1/orders", one)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (other_wish.status_code, other_wish.json()["code"]) == (422, "idempotency_key_reused")
    assert other_person.status_code == 201
    assert other_person.json()["id"] != first.json()["id"]
    assert (without_key.status_code, without_key.json()["code"]) == (400, "idempotency_key_missing")
    assert eve.get(f"/v1/orders/{first.json()['id']}").status_code == 404


def test_a_cancelled_order_puts_its_units_back_once(shop, seller):
    lamp = shop.product(seller, quantity=5)
    ada = shop.sign_up()
    order = ada.order({"items": [{"product": lamp["id"], "quantity": 2}]}).json()

    answers = [ada.post(f"/v1/orders/{order['id']}/cancel") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["status"] == "cancelled"
    eventually(
        lambda: seller.get(f"/v1/products/{lamp['id']}").json()["available"] == 5,
        what="the units back on the shelf",
    )


def test_a_new_price_is_mailed_to_every_admin_once_with_old_and_new(shop, seller):
    other = shop.sign_up("second-admin")
    promoted = seller.patch(f"/v1/users/{other.id}", {"role": "admin"})
    assert promoted.status_code == 200, promoted.text
    addresses = [seller.get("/v1/users/me").json()["email"], promoted.json()["email"]]
    name = f"Shoes {secrets.token_hex(4)}"
    shoes = shop.product(seller, name, price="12.50")
    for address in addresses:
        shop.wait_for_mail(address, naming=name, subject=name)

    seller.patch(f"/v1/products/{shoes['id']}", {"price": "10.00", "mark": "chabelo"})

    for address in addresses:
        (mail,) = shop.wait_for_mail(address, naming=name, subject="10.00")
        text = mail.get_body(("plain",)).get_content()
        assert "12.50" in text
        assert "10.00" in text
        assert "chabelo" in text

    def told():
        items = seller.get("/v1/notifications?status=sent").json()["items"]
        return sum(name in item["subject"] for item in items)

    # A mail is in the folder a moment before it is written down as sent.
    eventually(lambda: told() >= 2 * len(addresses), what="all mails written down")
    assert told() == 2 * len(addresses)
    assert len(shop.mails_to(addresses[0], naming=name)) == 2


def test_views_are_counted_also_when_a_cache_answers(shop, seller):
    lamp = shop.product(seller, "Viewed lamp")
    ada, stranger = shop.sign_up(), shop.visitor()
    path = f"/v1/products/{lamp['public_id']}"

    tag = ada.get(path).headers["ETag"]
    fresh = [stranger.get(path) for _ in range(5)]
    unchanged = ada.get(path, If_None_Match=tag)
    stranger.call("HEAD", path)
    stranger.get(f"{path}-no")

    assert [answer.status_code for answer in fresh] == [200] * 5
    assert unchanged.status_code == 304

    totals = eventually(
        lambda: numbers(seller, lamp, views=7), seconds=20, what="seven views in the numbers"
    )
    assert totals["unique_viewers"] == 2
    views = seller.get(f"/v1/analytics/views?product={lamp['id']}").json()["items"]
    assert sorted(view["viewer_id"] or 0 for view in views) == [0] * 5 + [ada.id] * 2


def test_a_sale_reaches_the_numbers(shop, seller):
    lamp = shop.product(seller, "Counted lamp", price="3.00", quantity=9)
    ada = shop.sign_up()
    for units in (1, 2):
        ada.order({"items": [{"product": lamp["id"], "quantity": units}]})

    eventually(
        lambda: numbers(seller, lamp, orders=2, units=3, revenue="9.00"),
        seconds=20,
        what="two orders in the numbers",
    )
    assert ada.get(f"/v1/analytics/products/{lamp['id']}").status_code == 403


def test_a_receipt_is_mailed_to_the_customer(shop, seller):
    lamp = shop.product(seller, "Receipt lamp", price="3.00")
    ada = shop.sign_up()

    order = ada.order({"items": [{"product": lamp["id"], "quantity": 1}]}).json()

    (mail,) = shop.wait_for_mail(f"{ada.username}@mail.example", naming=order["id"], subject="rder")
    assert "3.00" in mail.get_body(("plain",)).get_content()
