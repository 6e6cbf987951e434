# SPDX-License-Identifier: Apache-2.0
from threading import Barrier, Thread

import pytest
from catalog_stub import CHAIR, LAMP, RUG

from orders.commands.carts import set_cart_line

EMPTY = {"items": [], "total": "0.00", "currency": "USD", "version": 0}


def test_a_new_customers_cart_is_empty(ada, catalog):
    answer = ada.get("/v1/cart")

    assert answer.status_code == 200
    assert answer.json == EMPTY
    assert catalog.reads == 0


def test_a_cart_shows_names_prices_and_stock_as_they_are_now(ada, catalog):
    ada.want(LAMP, 2)
    catalog.products[LAMP] |= {"name": "Bright lamp", "price": 1300, "available": 1}

    answer = ada.want(CHAIR, 1)

    assert answer.status_code == 200
    assert answer.json == {
        "items": [
            {
                "product_id": LAMP,
                "name": "Bright lamp",
                "quantity": 2,
                "unit_price": "13.00",
                "subtotal": "26.00",
                "available": 1,
            },
            {
                "product_id": CHAIR,
                "name": "Chair",
                "quantity": 1,
                "unit_price": "40.00",
                "subtotal": "40.00",
                "available": 3,
            },
        ],
        "total": "66.00",
        "currency": "USD",
        "version": 2,
    }
    assert ada.get("/v1/cart").json == answer.json


def test_putting_a_quantity_replaces_the_one_before(ada):
    ada.want(LAMP, 2)
    ada.want(LAMP, 5)

    assert [item["quantity"] for item in ada.get("/v1/cart").json["items"]] == [5]


def test_a_cart_may_want_more_than_there_is(ada):
    answer = ada.want(RUG, 1_000_000)

    assert answer.status_code == 200
    assert answer.json["items"][0]["available"] == 1
    assert answer.json["total"] == "99990000.00"


@pytest.mark.parametrize("ref", [LAMP, "LAMP-1", "public000011"])
def test_a_product_goes_by_any_of_its_names(ada, ref):
    assert ada.want(ref, 1).json["items"][0]["product_id"] == LAMP
    assert ada.delete(f"/v1/cart/items/{ref}").status_code == 204
    assert ada.get("/v1/cart").json["items"] == []


@pytest.mark.parametrize("ref", ["404", "0", "9" * 30, "nothing", "a,b", "11,12", "ä", "%00", "٤٢"])
def test_what_names_no_product_is_not_found(ada, ref):
    for answer in (ada.want(ref, 1), ada.delete(f"/v1/cart/items/{ref}")):
        assert answer.status_code == 404
        assert answer.content_type == "application/problem+json"
    assert ada.get("/v1/cart").json == EMPTY


def test_a_product_that_is_not_in_the_cart_cant_be_taken_out(ada):
    answer = ada.delete(f"/v1/cart/items/{LAMP}")

    assert (answer.status_code, answer.json["code"]) == (404, "not_in_cart")


def test_a_product_is_taken_out_by_its_id_while_catalog_is_away(ada, catalog):
    ada.want(LAMP, 1)
    catalog.mood = "away"

    assert ada.delete(f"/v1/cart/items/{LAMP}").status_code == 204


def test_a_cart_is_cleared_again_and_again(ada):
    ada.want(LAMP, 1)

    assert ada.delete("/v1/cart").status_code == 204
    assert ada.delete("/v1/cart").status_code == 204
    assert ada.get("/v1/cart").json == EMPTY | {"version": 3}


def test_a_product_that_is_no_longer_sold_stays_without_a_price(ada, catalog):
    ada.want(LAMP, 2)
    ada.want(CHAIR, 1)
    del catalog.products[LAMP]

    cart = ada.get("/v1/cart").json

    assert cart["items"][0] == {
        "product_id": LAMP,
        "name": None,
        "quantity": 2,
        "unit_price": None,
        "subtotal": None,
        "available": 0,
    }
    assert cart["total"] == "40.00"


def test_customers_have_carts_of_their_own(ada, bob):
    ada.want(LAMP, 1)

    assert bob.get("/v1/cart").json == EMPTY


@pytest.mark.parametrize("mood", ["away", "cut", "babbling"])
def test_without_catalog_a_cart_cant_be_shown(ada, catalog, mood):
    ada.want(LAMP, 1)
    catalog.mood = mood

    answer = ada.get("/v1/cart")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"


def test_a_cart_holds_a_hundred_products(ada, catalog, database):
    catalog.sell(1099, "Pin")
    for number in range(1000, 1100):
        database.run(set_cart_line, customer_id=1, product_id=number, quantity=1)

    answer = ada.want(LAMP, 1)

    assert (answer.status_code, answer.json["code"]) == (409, "cart_full")
    assert ada.want(1099, 2).status_code == 200
    assert len(ada.get("/v1/cart").json["items"]) == 100


@pytest.mark.parametrize(
    "quantity", [0, -1, 1_000_001, 2**31, 2**63, 1.5, "1", True, None, [1], {}]
)
def test_a_wrong_quantity_is_refused_and_nothing_is_kept(ada, quantity):
    answer = ada.want(LAMP, quantity)

    assert answer.status_code == 422
    assert "quantity" in answer.json["errors"]
    assert ada.get("/v1/cart").json == EMPTY


@pytest.mark.parametrize("body", [{}, {"quantity": 1, "price": 1}, [], "1", None])
def test_a_body_that_says_something_else_is_refused(ada, body):
    assert ada.put(f"/v1/cart/items/{LAMP}", body).status_code == 422


def test_two_first_requests_at_once_both_count(shopper):
    barrier = Barrier(2)
    answers = []

    def want(product):
        customer = shopper()
        barrier.wait()
        answers.append(customer.want(product, 1).status_code)

    threads = [Thread(target=want, args=(product,)) for product in (LAMP, CHAIR)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [200, 200]
    assert shopper().get("/v1/cart").json["version"] == 2
