# SPDX-License-Identifier: Apache-2.0
"""Every row of S1's products, with the seed's own bodies."""

import pytest

SHOES = {"sku": "d7iy6euiue", "name": "zapatos", "price": 300, "mark": "chabelo", "quantity": 5}


@pytest.fixture
def shoes(client, grace):
    return client.post("/api/products", json=SHOES, headers=grace).json


def test_s1_get_products_is_for_anybody(client, shoes, ada):
    answers = [
        client.get("/api/products"),
        client.get("/api/products/", headers={"Autorization": "Bearer a.b.c"}),
        client.get("/api/products", headers=ada),
    ]

    assert [answer.json for answer in answers] == [[shoes]] * 3


def test_s1_get_product_is_for_anybody_and_names_itself_for_the_view_log(client, shoes):
    for ref in (shoes["id"], shoes["public_id"], shoes["sku"]):
        for path in (f"/api/products/{ref}", f"/api/products/{ref}/"):
            answer = client.get(path)
            assert (answer.status_code, answer.json) == (200, shoes)
            assert answer.headers["X-Product-Id"] == str(shoes["id"])


def test_s1_get_product_unchanged_is_304(client, shoes):
    path = f"/api/products/{shoes['id']}"
    tag = client.get(path).headers["ETag"]

    answer = client.get(path, headers={"If-None-Match": tag})

    assert (answer.status_code, answer.data) == (304, b"")
    assert answer.headers["X-Product-Id"] == str(shoes["id"])


def test_s1_get_product_that_is_none_is_404(client):
    assert client.get("/api/products/crgf6p7id").status_code == 404


def test_s1_post_product_takes_the_seeds_body(client, grace):
    answer = client.post("/api/products/", json=SHOES, headers=grace)

    assert answer.status_code == 201
    assert answer.json.items() >= (SHOES | {"product_name": "zapatos", "stock": 5}).items()
    assert answer.json["user_id"] == 7
    assert client.get(answer.headers["Location"]).json == answer.json


def test_s1_post_product_with_the_misspelt_header(client, token_factory):
    headers = {"Autorization": f"Bearer {token_factory.token(9, 'josue')}"}

    answer = client.post("/api/products", json=SHOES, headers=headers)

    assert (answer.status_code, answer.json["user_id"]) == (201, 9)


def test_s1_post_product_with_a_taken_sku_is_409(client, grace, shoes):
    answer = client.post("/api/products", json=SHOES, headers=grace)

    assert (answer.status_code, answer.json["code"]) == (409, "sku_taken")
    assert len(client.get("/api/products").json) == 1


def test_s1_post_product_without_a_token_is_401(client):
    answer = client.post("/api/products", json=SHOES)

    assert (answer.status_code, answer.json["code"]) == (401, "token_missing")
    assert "WWW-Authenticate" in answer.headers


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"name": "zapatos", "price" 300}', 400),
        (b"", 422),
        (b"[]", 422),
        (b'{"name": "zapatos"}', 422),
        (b'{"price": 300}', 422),
        (b'{"name": " ", "price": 300}', 422),
        (b'{"name": "zapatos", "price": "300,00"}', 422),
        (b'{"name": "zapatos", "price": 1e300}', 422),
        (b'{"name": "zapatos", "price": 300, "quantity": -5}', 422),
        (b'{"name": "zapatos", "price": 300, "quantity": 1e3}', 422),
        (b'{"name": "zapatos", "price": 300, "sku": "my"}', 422),
        (b'{"name": "zapatos", "price": 300, "sku": "a b"}', 422),
        (b'{"name": "zapatos", "price": 300, "user_id": 1}', 422),
        (b'{"name": "zapatos", "price": 300, "mark": {"$gt": ""}}', 422),
        (b'{"name": "za\\u0000patos", "price": 300}', 422),
        (b'{"name": "zapatos", "price": 300, "description": 5}', 422),
    ],
)
def test_s1_post_product_refuses_a_bad_body(client, grace, body, status):
    answer = client.post("/api/products", data=body, headers=grace, content_type="application/json")

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"


def test_s1_put_product_changes_the_price(client, grace, shoes):
    answer = client.put(f"/api/products/{shoes['public_id']}/", json={"price": 500}, headers=grace)

    assert answer.status_code == 200
    assert answer.json == shoes | {"price": 500, "updated_at": answer.json["updated_at"]}


def test_s1_put_product_sets_the_quantity(client, grace, shoes):
    path = f"/api/products/{shoes['id']}"

    answer = client.put(path, json={"quantity": 12, "price": "9.99"}, headers=grace)

    assert (answer.json["stock"], answer.json["price"]) == (12, 9.99)


def test_s1_put_product_with_what_was_read_changes_nothing(client, grace, shoes):
    names = ("sku", "name", "product_name", "description", "price", "mark", "quantity", "stock")
    path = f"/api/products/{shoes['id']}"

    answer = client.put(path, json={name: shoes[name] for name in names}, headers=grace)

    assert (answer.status_code, answer.json) == (200, shoes)


def test_s1_put_product_with_a_taken_sku_is_409(client, grace, shoes, sell):
    lamp = sell("Lamp")

    answer = client.put(f"/api/products/{lamp.id}", json={"sku": SHOES["sku"]}, headers=grace)

    assert (answer.status_code, answer.json["code"]) == (409, "sku_taken")


def test_s1_put_product_is_for_its_owner_and_admins(client, shoes, grace, ada, admin):
    path = f"/api/products/{shoes['id']}"

    def put(headers):
        return client.put(path, json={"price": 500}, headers=headers).status_code

    assert [put(who) for who in ({}, ada, grace, admin)] == [401, 403, 200, 200]
    assert client.put("/api/products/99999", json={"price": 5}, headers=admin).status_code == 404
    assert client.put(path, json={"price": "x"}, headers=admin).status_code == 422


def test_s1_delete_product_says_what_is_gone(client, shoes, grace):
    path = f"/api/products/{shoes['id']}/"

    answer = client.delete(path, headers=grace)

    assert answer.status_code == 200
    assert set(answer.json) == {"message", "id"}
    assert answer.json["id"] == shoes["id"]
    assert client.get(path).status_code == 404
    assert client.delete(path, headers=grace).status_code == 404
    assert client.get("/api/products").json == []


def test_s1_delete_product_is_for_its_owner_and_admins(client, shoes, ada, admin):
    path = f"/api/products/{shoes['id']}"

    assert client.delete(path).status_code == 401
    assert client.delete(path, headers=ada).status_code == 403
    assert client.delete(path, headers=admin).status_code == 200
