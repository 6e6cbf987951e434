# SPDX-License-Identifier: Apache-2.0
"""S0's rows: a user's cart under ``/addToCars``."""

import pytest
from catalog_stub import CHAIR, LAMP, RUG

from orders.commands.carts import set_cart_line

ADA, BOB = 1, 2
CART = f"/addToCars/{ADA}"
LAMP_LINE = {
    "product_id": LAMP,
    "product_name": "Lamp",
    "quantity": 2,
    "price": 12.5,
    "available": 10,
}
ACCEPT = {"Accept": "*/*"}


@pytest.fixture
def s0(ada):
    ada.headers |= ACCEPT
    return ada


@pytest.fixture
def admin(root):
    root.headers |= ACCEPT
    return root


def put_in(customer, body, user_id=ADA):
    return customer.client.post(f"/addToCars/{user_id}", headers=customer.headers, json=body)


def test_s0_get_cart_is_empty_at_first(s0):
    answer = s0.get(CART)

    assert (answer.status_code, answer.json) == (200, {"user_id": ADA, "items": [], "total": 0})


def test_s0_post_cart_adds_a_product(s0):
    answer = put_in(s0, {"product_id": LAMP, "quantity": 2})

    assert answer.status_code == 201
    assert answer.json == {"user_id": ADA, "items": [LAMP_LINE], "total": 25}
    assert s0.get(CART).json == answer.json
    assert s0.get(f"{CART}/").json == answer.json


def test_s0_post_cart_takes_one_where_no_quantity_is_said(s0):
    put_in(s0, {"product_id": LAMP})
    answer = put_in(s0, {"items": [{"product_id": LAMP}, {"product_id": CHAIR, "quantity": 2}]})

    assert answer.status_code == 201
    assert [(line["product_id"], line["quantity"]) for line in answer.json["items"]] == [
        (LAMP, 2),
        (CHAIR, 2),
    ]


def test_s0_post_cart_knows_a_product_by_any_of_its_names(s0):
    items = [{"product_id": ref} for ref in (LAMP, str(LAMP), "LAMP-1", "public000011")]

    answer = put_in(s0, {"items": items})

    assert [line["quantity"] for line in answer.json["items"]] == [4]


def test_s0_the_cart_is_the_one_of_v1(s0):
    s0.want(LAMP, 3)
    put_in(s0, {"product_id": LAMP})

    assert [item["quantity"] for item in s0.get("/v1/cart").json["items"]] == [4]


def test_s0_many_items_are_added_all_or_none(s0, database):
    answer = put_in(s0, {"items": [{"product_id": LAMP}, {"product_id": 404}]})

    assert (answer.status_code, answer.json["code"]) == (404, "product_not_found")
    assert answer.json["items"] == [{"product": "404"}]
    for number in range(1000, 1099):
        database.run(set_cart_line, customer_id=ADA, product_id=number, quantity=1)
    full = put_in(s0, {"items": [{"product_id": LAMP}, {"product_id": CHAIR}]})
    assert (full.status_code, full.json["code"]) == (409, "cart_full")
    assert len(s0.get("/v1/cart").json["items"]) == 99


def test_s0_a_line_has_at_most_a_million_units(s0):
    put_in(s0, {"product_id": LAMP, "quantity": 999_999})

    answer = put_in(s0, {"items": [{"product_id": CHAIR}, {"product_id": LAMP, "quantity": 2}]})

    assert answer.status_code == 422
    assert "quantity" in answer.json["errors"]
    assert [line["quantity"] for line in s0.get(CART).json["items"]] == [999_999]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_s0_cart_without_an_accept_header_is_a_440(app, ada, method):
    for headers in (ada.headers, {}):
        answer = app.test_client().open(CART, method=method, headers=headers, json={})

        assert (answer.status_code, answer.json["code"]) == (440, "accept_missing")


def test_s0_get_cart_that_did_not_change_is_a_304(s0):
    put_in(s0, {"product_id": LAMP})
    etag = s0.get(CART).headers["ETag"]

    unchanged = s0.client.get(CART, headers=s0.headers | {"If-None-Match": etag})
    put_in(s0, {"product_id": LAMP})
    changed = s0.client.get(CART, headers=s0.headers | {"If-None-Match": etag})

    assert (unchanged.status_code, unchanged.data) == (304, b"")
    assert changed.status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_s0_cart_without_a_good_token_is_a_401(app, token_factory, method):
    expired = {"Authorization": f"Bearer {token_factory.token(ADA, exp=1)}"}
    forged = {"Authorization": f"Bearer {token_factory.token(ADA)[:-4]}AAAA"}
    for headers in ({}, expired, forged):
        answer = app.test_client().open(
            CART, method=method, headers=headers | ACCEPT, json={"product_id": LAMP}
        )

        assert answer.status_code == 401
        assert "WWW-Authenticate" in answer.headers


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_s0_somebody_elses_cart_is_a_403(s0, bob, method):
    bob.headers |= ACCEPT
    s0.want(LAMP, 1)

    answer = bob.client.open(CART, method=method, headers=bob.headers, json={"product_id": LAMP})

    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
    assert s0.get(CART).json["items"][0]["quantity"] == 1


def test_s0_an_admin_may_fill_a_users_cart(s0, admin, catalog):
    catalog.documents[f"/internal/users/{ADA}"] = {"id": ADA, "username": "ada", "guest": False}

    answer = put_in(admin, {"product_id": LAMP, "quantity": 2})

    assert answer.status_code == 201
    assert admin.get(CART).json == s0.get(CART).json == answer.json


@pytest.mark.parametrize("user_id", [404, 0, 2**63, 10**30])
def test_s0_the_cart_of_nobody_is_a_404(admin, user_id):
    for answer in (
        admin.get(f"/addToCars/{user_id}"),
        put_in(admin, {"product_id": LAMP}, user_id),
    ):
        assert (answer.status_code, answer.json["code"]) == (404, "customer_not_found")


@pytest.mark.parametrize("user_id", ["x", "-1", "1.5", "%00"])
def test_s0_what_is_no_users_number_is_a_404(admin, user_id):
    assert admin.get(f"/addToCars/{user_id}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"quantity": 1},
        {"items": []},
        {"items": [{"quantity": 1}]},
        {"items": [{"product_id": LAMP, "price": 1}]},
        {"items": {"product_id": LAMP}},
        {"product_id": LAMP, "items": [{"product_id": LAMP}]},
        {"items": [{"product_id": LAMP}], "quantity": 2},
        {"items": [{"product_id": LAMP}] * 101},
        {"product_id": LAMP, "user_id": BOB},
        {"product_id": True},
        {"product_id": 1.5},
        {"product_id": 0},
        {"product_id": ""},
        {"product_id": "\u0000"},
        {"product_id": [LAMP]},
        {"product_id": LAMP, "quantity": 0},
        {"product_id": LAMP, "quantity": -1},
        {"product_id": LAMP, "quantity": "1"},
        {"product_id": LAMP, "quantity": 2**31},
        [],
        "cart",
        None,
    ],
)
def test_s0_a_wrong_body_is_a_422(s0, body):
    assert put_in(s0, body).status_code == 422
    assert s0.get(CART).json["items"] == []


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"product_id": NaN}', "application/json", 400),
        (b'{"product_id": 11}', "text/plain", 415),
    ],
)
def test_s0_what_is_no_json_is_refused(s0, body, kind, status):
    answer = s0.client.post(CART, headers=s0.headers, data=body, content_type=kind)

    assert answer.status_code == status


@pytest.mark.parametrize("ref", [404, "404", "nothing", "a,b", "9" * 30])
def test_s0_what_names_no_product_is_a_404(s0, ref):
    answer = put_in(s0, {"product_id": ref})

    assert (answer.status_code, answer.json["code"]) == (404, "product_not_found")


def test_s0_without_catalog_there_is_a_502(s0, catalog):
    s0.want(RUG, 1)
    catalog.mood = "away"

    for answer in (s0.get(CART), put_in(s0, {"product_id": LAMP})):
        assert (answer.status_code, answer.json["code"]) == (502, "bad_gateway")
        assert "Retry-After" in answer.headers
