# SPDX-License-Identifier: Apache-2.0
"""S3's rows: carts, orders, their totals, and what is no body of theirs."""

import pytest
from catalog_stub import CHAIR, LAMP, RUG
from s3_client import ADA, add, at_once, click, keyed, lines, remove

from orders.commands.carts import add_cart_lines

# --- the cart -------------------------------------------------------------------------------------


def test_s3_get_cart_is_empty_at_first(ada):
    answer = ada.get(f"/cart/{ADA}")

    assert (answer.status_code, answer.json) == (200, {"customer_id": ADA, "items": []})


def test_s3_cart_add_answers_the_cart(ada):
    answer = add(ada, LAMP, 2)

    assert answer.status_code == 201
    assert answer.json == {
        "customer_id": ADA,
        "items": [
            {
                "product_id": LAMP,
                "product_name": "Lamp",
                "quantity": 2,
                "price": 12.5,
                "available": 10,
            }
        ],
    }
    assert ada.get(f"/cart/{ADA}").json == ada.get(f"/cart/{ADA}/").json == answer.json


def test_s3_cart_add_adds_to_the_line_by_any_name(ada):
    for ref in (LAMP, str(LAMP), "LAMP-1", "public000011"):
        assert add(ada, ref).status_code == 201

    assert lines(ada.get(f"/cart/{ADA}")) == {LAMP: 4}


def test_s3_a_cart_may_want_more_than_there_is(ada):
    answer = add(ada, RUG, 1_000_000)

    assert answer.status_code == 201
    assert answer.json["items"][0]["available"] == 1


def test_s3_a_line_has_at_most_a_million_units(ada):
    add(ada, RUG, 1_000_000)

    answer = add(ada, RUG, 1)

    assert answer.status_code == 422
    assert "quantity" in answer.json["errors"]


def test_s3_a_cart_holds_a_hundred_products(ada, database):
    units = dict.fromkeys(range(1000, 1100), 1)
    database.run(add_cart_lines, customer_id=ADA, units=units)

    answer = add(ada, LAMP)

    assert (answer.status_code, answer.json["code"]) == (409, "cart_full")


def test_s3_cart_remove_takes_the_line_out(ada):
    add(ada, LAMP, 2)
    add(ada, CHAIR)

    answer = remove(ada, "LAMP-1")

    assert answer.status_code == 200
    assert lines(answer) == {CHAIR: 1}


def test_s3_cart_remove_of_what_is_not_in_it_is_a_404(ada):
    answer = remove(ada, LAMP)

    assert (answer.status_code, answer.json["code"]) == (404, "not_in_cart")


@pytest.mark.parametrize("ref", [404, "nothing", "a,b", "9" * 30])
def test_s3_what_names_no_product_is_a_404(ada, ref):
    assert add(ada, ref).json["code"] == "product_not_found"
    assert add(ada, ref).status_code == remove(ada, ref).status_code == 404


def test_s3_a_product_that_is_no_longer_sold_has_no_price(ada, catalog):
    add(ada, LAMP)
    del catalog.products[LAMP]

    [line] = ada.get(f"/cart/{ADA}").json["items"]

    assert (line["product_name"], line["price"], line["available"]) == (None, None, 0)


def test_s3_carts_added_to_at_once_lose_nothing(shopper):
    customers = [shopper() for _ in range(6)]

    at_once(*[lambda c=customer: add(c, LAMP) for customer in customers])

    assert lines(customers[0].get(f"/cart/{ADA}")) == {LAMP: 6}


# --- the order ------------------------------------------------------------------------------------


def test_s3_order_add_orders_all_that_is_in_the_cart(ada, catalog, ledger):
    add(ada, LAMP, 2)
    add(ada, RUG)

    answer = click(ada)

    assert answer.status_code == 201
    order_id = answer.json["order_id"]
    assert answer.json == {
        "order_id": order_id,
        "customer_id": ADA,
        "items": [
            {
                "product_id": LAMP,
                "product_name": "Lamp",
                "sku": "LAMP-1",
                "quantity": 2,
                "price": 12.5,
                "subtotal": 25,
            },
            {
                "product_id": RUG,
                "product_name": "Rug",
                "sku": "GARISH-RUG",
                "quantity": 1,
                "price": 99.99,
                "subtotal": 99.99,
            },
        ],
        "total": 124.99,
        "status": "confirmed",
    }
    assert ada.get(f"/cart/{ADA}").json["items"] == []
    assert catalog.available(LAMP) == 8
    assert ledger.event_types() == ["OrderPlaced"]
    assert ada.get(f"/v1/orders/{order_id}").json["total"] == "124.99"


def test_s3_order_add_names_every_short_line_and_takes_nothing(ada, catalog, ledger):
    add(ada, LAMP, 11)
    add(ada, CHAIR, 1)
    add(ada, RUG, 2)

    answer = click(ada)

    assert (answer.status_code, answer.json["code"]) == (409, "insufficient_stock")
    assert answer.content_type == "application/problem+json"
    assert answer.json["instance"] == "/order/add"
    assert answer.json["items"] == [
        {"product_id": LAMP, "requested": 11, "available": 10},
        {"product_id": RUG, "requested": 2, "available": 1},
    ]
    assert lines(ada.get(f"/cart/{ADA}")) == {LAMP: 11, CHAIR: 1, RUG: 2}
    assert [catalog.available(product) for product in (LAMP, CHAIR, RUG)] == [10, 3, 1]
    assert ledger.event_types() == []


def test_s3_a_refusal_does_not_stick(ada, catalog):
    add(ada, RUG, 2)
    assert click(ada).status_code == 409
    catalog.products[RUG]["available"] = 2

    assert click(ada).status_code == 201


def test_s3_order_add_of_an_empty_cart_is_a_422(ada, ledger):
    answer = click(ada)

    assert (answer.status_code, answer.json["code"]) == (422, "empty_order")
    assert ledger.statuses() == []


def test_s3_order_add_of_a_product_that_is_gone_is_a_404(ada, catalog):
    add(ada, LAMP)
    del catalog.products[LAMP]

    answer = click(ada)

    assert (answer.status_code, answer.json["code"]) == (404, "product_not_found")
    assert lines(ada.get(f"/cart/{ADA}")) == {LAMP: 1}


def test_s3_order_add_without_catalog_is_a_502_and_keeps_the_cart(ada, catalog, ledger):
    add(ada, LAMP)
    catalog.mood = "away"
    answer = click(ada)
    catalog.mood = "well"

    assert (answer.status_code, answer.json["code"]) == (502, "bad_gateway")
    assert ledger.event_types() == ["OrderRejected"]
    assert click(ada).status_code == 201


def test_s3_the_clients_own_key_replays_the_same_bytes(ada, ledger):
    add(ada, LAMP)
    first = keyed(ada, "k")
    add(ada, LAMP)
    again = keyed(ada, "k")

    assert (again.status_code, again.data) == (201, first.data)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert ledger.statuses() == ["confirmed"]
    assert lines(ada.get(f"/cart/{ADA}")) == {LAMP: 1}


def test_s3_a_key_is_the_same_order_on_v1(ada):
    add(ada, LAMP)
    there = keyed(ada, "k").json

    here = ada.order("k").json

    assert (here["id"], here["total"]) == (there["order_id"], "12.50")
    assert ada.order("k", (LAMP, 1)).json["code"] == "idempotency_key_reused"


def test_s3_a_key_that_was_used_for_other_things_is_a_422(ada):
    ada.order("k", (LAMP, 1))
    add(ada, LAMP)

    answer = keyed(ada, "k")

    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "schlüssel"])
def test_s3_what_is_no_key_is_a_400(ada, ledger, key):
    add(ada, LAMP)

    assert keyed(ada, key).status_code == 400
    assert ledger.statuses() == []


# --- hostile bodies -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"customer_id": ADA, "product_id": LAMP},
        {"customer_id": ADA, "product_id": LAMP, "quantity": 0},
        {"customer_id": ADA, "product_id": LAMP, "quantity": -1},
        {"customer_id": ADA, "product_id": LAMP, "quantity": 1.5},
        {"customer_id": ADA, "product_id": LAMP, "quantity": True},
        {"customer_id": ADA, "product_id": LAMP, "quantity": 2**63},
        {"customer_id": ADA, "product_id": LAMP, "quantity": 1, "price": 1},
        {"customer_id": ADA, "product_id": None, "quantity": 1},
        {"customer_id": ADA, "product_id": "\u0000", "quantity": 1},
        {"customer_id": ADA, "product_id": {"$ne": 1}, "quantity": 1},
        {"customer_id": str(ADA), "product_id": LAMP, "quantity": 1},
        {"customer_id": True, "product_id": LAMP, "quantity": 1},
        {"customer_id": 0, "product_id": LAMP, "quantity": 1},
        {"customer_id": 2**63, "product_id": LAMP, "quantity": 1},
        [],
        None,
    ],
)
def test_s3_a_wrong_body_is_a_422(ada, body):
    answer = ada.client.post("/cart/add", headers=ada.headers, json=body)

    assert answer.status_code == 422
    assert ada.get(f"/cart/{ADA}").json["items"] == []


@pytest.mark.parametrize("path", ["/cart/remove", "/order/add"])
@pytest.mark.parametrize(
    "body", [{}, {"customer_id": None}, {"customer_id": "1"}, {"customer_id": 1, "x": 1}, [], "x"]
)
def test_s3_a_wrong_body_is_a_422_elsewhere_too(ada, path, body):
    assert ada.client.post(path, headers=ada.headers, json=body).status_code == 422


@pytest.mark.parametrize("path", ["/cart/add", "/cart/remove", "/order/add"])
@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [(b"{", "application/json", 400), (b"\xff", "application/json", 400), (b"{}", "text/xml", 415)],
)
def test_s3_what_is_no_json_is_refused(ada, path, body, kind, status):
    answer = ada.client.post(path, headers=ada.headers, data=body, content_type=kind)

    assert answer.status_code == status


@pytest.mark.parametrize("customer_id", ["x", "-1", "1.5", "%00", "me"])
def test_s3_what_is_no_customers_number_is_a_404(ada, customer_id):
    assert ada.get(f"/cart/{customer_id}").status_code == 404


@pytest.mark.parametrize("customer_id", [0, 2**63, 10**30])
def test_s3_a_number_that_nobody_can_have_is_a_404(root, customer_id):
    assert root.get(f"/cart/{customer_id}").status_code == 404


# --- the total ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ref", [LAMP, "LAMP-1", "public000011"])
def test_s3_order_product_says_anybody_how_many_were_ordered(app, ada, bob, ref):
    add(ada, LAMP, 2)
    click(ada)
    cancelled = bob.order("k", (LAMP, 3)).json["id"]
    bob.order("other", (LAMP, 1))
    bob.post(f"/v1/orders/{cancelled}/cancel")

    answer = app.test_client().get(f"/order/product/{ref}")

    assert answer.status_code == 200
    assert answer.json == {"product_id": LAMP, "total_quantity": 3}


@pytest.mark.parametrize("ref", ["404", "0", "9" * 30, "nothing", "a,b", "%00"])
def test_s3_order_product_of_none_is_a_404(app, ref):
    answer = app.test_client().get(f"/order/product/{ref}")

    assert (answer.status_code, answer.json["code"]) == (404, "product_not_found")


def test_s3_order_product_without_catalog_is_a_502(app, catalog):
    catalog.mood = "away"

    assert app.test_client().get(f"/order/product/{LAMP}").status_code == 502
