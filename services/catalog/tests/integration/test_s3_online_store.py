# SPDX-License-Identifier: Apache-2.0
"""Every row of S3's products, with the seed's own bodies. No path here needs an Accept header."""

import pytest

PRODUCT = {"product_name": "product1", "stock": 0}


@pytest.fixture
def product(client, grace):
    return client.post("/product/add", json=PRODUCT, headers=grace).json


@pytest.fixture
def restock(client, grace):
    def post(ref, stock=10, headers=grace):
        body = {"product_id": ref, "stock": stock}
        return client.post("/product/add-stock", json=body, headers=headers)

    return post


def test_s3_get_all_products_is_for_anybody(client, product):
    for path in ("/product/all", "/product/all/"):
        answer = client.get(path)
        assert (answer.status_code, answer.json) == (200, [product])
    assert client.get("/product/all?page=x").status_code == 422


def test_s3_get_product_by_any_ref(client, product):
    for ref in (product["product_id"], product["public_id"]):
        answer = client.get(f"/product/{ref}", headers={"Accept": "*/*"})
        assert (answer.status_code, answer.json) == (200, product)


def test_s3_add_product_costs_nothing_at_first(client, grace):
    answer = client.post("/product/add", json=PRODUCT, headers=grace)

    assert answer.status_code == 201
    assert answer.json.items() >= (PRODUCT | {"name": "product1", "price": 0, "user_id": 7}).items()
    location = answer.headers["Location"]
    assert client.get(location, headers={"Accept": "*/*"}).json == answer.json


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"product_name": "product1", "stock": 0', 400),
        (b"", 422),
        (b'{"product_name": "product1"}', 422),
        (b'{"stock": 0}', 422),
        (b'{"product_name": "", "stock": 0}', 422),
        (b'{"product_name": 5, "stock": 0}', 422),
        (b'{"product_name": "product1", "stock": -1}', 422),
        (b'{"product_name": "product1", "stock": "0"}', 422),
        (b'{"product_name": "product1", "stock": 2147483648}', 422),
        (b'{"product_name": "product1", "stock": 0, "price": 5}', 422),
    ],
)
def test_s3_add_product_refuses_a_bad_body(client, grace, body, status):
    answer = client.post("/product/add", data=body, headers=grace, content_type="application/json")

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"


def test_s3_add_product_without_a_token_is_401(client):
    answer = client.post("/product/add", json=PRODUCT)

    assert (answer.status_code, answer.json["code"]) == (401, "token_missing")


def test_s3_add_stock_by_the_seeds_own_body(client, product, restock):
    answer = restock("product1")

    assert answer.status_code == 200
    assert answer.json == product | {"quantity": 10, "stock": 10}
    assert restock("product1", 5).json["stock"] == 15
    assert client.get("/product/all").json[0]["stock"] == 15


def test_s3_add_stock_by_id_digits_public_id_and_sku(restock, sell):
    lamp = sell("Lamp", sku="lamp-1")

    answers = [restock(ref, 1) for ref in (lamp.id, str(lamp.id), lamp.public_id, "lamp-1", "Lamp")]

    assert [answer.json["stock"] for answer in answers] == [1, 2, 3, 4, 5]


def test_s3_add_stock_with_a_name_of_several_is_409(client, product, restock, grace):
    client.post("/product/add", json=PRODUCT, headers=grace)

    answer = restock("product1")

    assert (answer.status_code, answer.json["code"]) == (409, "ambiguous_name")
    assert restock(product["id"]).status_code == 200


def test_s3_add_stock_looks_among_ones_own_products_first(client, product, restock, ada):
    other = client.post("/product/add", json=PRODUCT, headers=ada).json

    assert restock("product1").json["id"] == product["id"]
    assert restock("product1", headers=ada).json["id"] == other["id"]


def test_s3_add_stock_prefers_ones_own_name_to_anothers_sku(client, product, restock, ada):
    thief = {"name": "Sticker", "price": 1, "sku": "product1"}
    client.post("/api/products", json=thief, headers=ada)

    assert restock("product1").json["id"] == product["id"]


def test_s3_add_stock_of_an_admin_looks_among_all(client, product, restock, admin, ada):
    first = restock("product1", headers=admin)
    client.post("/product/add", json=PRODUCT, headers=ada)
    second = restock("product1", headers=admin)

    assert (first.status_code, first.json["id"]) == (200, product["id"])
    assert second.status_code == 409


def test_s3_add_stock_counts_every_character_of_a_name(client, restock, grace):
    for name in ("Lamp", "lamp", "Lámp"):
        client.post("/product/add", json={"product_name": name, "stock": 0}, headers=grace)

    assert restock("lamp").json["name"] == "lamp"
    assert restock("LAMP").status_code == 404


def test_s3_add_stock_reads_a_number_as_an_id_only(client, restock, grace):
    body = {"product_name": "999999999", "stock": 0}
    client.post("/product/add", json=body, headers=grace)

    assert restock(999999999).status_code == 404
    assert restock("999999999").status_code == 200


def test_s3_add_stock_to_anothers_product_is_403(product, restock, ada):
    for ref in (product["id"], product["public_id"], "product1"):
        assert restock(ref, headers=ada).status_code == 403


def test_s3_add_stock_without_a_token_is_401(product, restock):
    assert restock("product1", headers={}).status_code == 401
    assert restock("product1", headers={"Authorization": "Bearer a.b.c"}).status_code == 401


def test_s3_add_stock_to_nothing_is_404(client, product, restock, grace):
    for ref in ("nothing", "99999", 99999, 2**63 - 1, "9" * 100, "ä", "%", "' OR 1=1"):
        assert restock(ref).status_code == 404, ref
    client.delete(f"/api/products/{product['id']}", headers=grace)
    assert restock("product1").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"product_id": "product1"},
        {"stock": 10},
        {"product_id": "product1", "stock": -1},
        {"product_id": "product1", "stock": "10"},
        {"product_id": "product1", "stock": 1.5},
        {"product_id": "product1", "stock": 2**31},
        {"product_id": "", "stock": 1},
        {"product_id": 0, "stock": 1},
        {"product_id": -1, "stock": 1},
        {"product_id": 2**63, "stock": 1},
        {"product_id": True, "stock": 1},
        {"product_id": None, "stock": 1},
        {"product_id": ["product1"], "stock": 1},
        {"product_id": "product1", "stock": 1, "price": 1},
        {"product_id": "x" * 513, "stock": 1},
    ],
)
def test_s3_add_stock_refuses_a_bad_body(client, grace, product, body):
    answer = client.post("/product/add-stock", json=body, headers=grace)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert answer.json["errors"]


def test_s3_add_stock_of_more_than_fits_is_422(product, restock):
    restock("product1", 2**31 - 1)

    answer = restock("product1", 1)

    assert (answer.status_code, answer.json["code"]) == (422, "too_many_units")


def test_s3_add_stock_of_nothing_changes_nothing(product, restock):
    assert restock("product1", 0).json == product


def test_s3_words_of_paths_are_no_products(client, grace):
    accept = {"Accept": "*/*"}

    assert client.get("/product/add", headers=accept).status_code == 404
    assert client.get("/product/add-stock", headers=accept).status_code == 404
    assert client.put("/product/all", json={"price": 1}, headers=grace | accept).status_code == 404
