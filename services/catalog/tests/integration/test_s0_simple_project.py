# SPDX-License-Identifier: Apache-2.0
"""Every row and status of S0's table that is about products."""

import pytest
from werkzeug.http import parse_options_header

ACCEPT = {"Accept": "application/json"}
PATHS = [("GET", "/products"), ("GET", "/product/1"), ("PUT", "/product/1")]


def test_s0_get_products_lists_all_by_ascending_id(client, sell):
    made = [sell(name).id for name in ("Lamp", "Cup", "Plate")]

    answer = client.get("/products", headers=ACCEPT)

    assert answer.status_code == 200
    assert [item["id"] for item in answer.json] == made
    assert answer.headers["X-Total-Count"] == "3"


def test_s0_get_products_goes_page_by_page_without_gaps(client, sell):
    made = [sell(f"Lamp {number}").id for number in range(5)]
    seen, path = [], "/products?limit=2"

    while path:
        answer = client.get(path, headers=ACCEPT)
        seen.append([item["id"] for item in answer.json])
        links = [parse_options_header(link) for link in answer.headers["Link"].split(", ")]
        path = next((link[1:-1] for link, more in links if more["rel"] == "next"), None)

    assert seen == [made[:2], made[2:4], made[4:]]
    assert client.get("/products?page=9", headers=ACCEPT).json == []


@pytest.mark.parametrize(
    "query", ["page=0", "page=10001", "limit=0", "limit=501", "limit=x", "q=x"]
)
def test_s0_get_products_refuses_a_page_that_can_not_be(client, query):
    answer = client.get(f"/products?{query}", headers=ACCEPT)

    assert answer.status_code == 422
    assert answer.json["errors"]


def test_s0_get_product_shows_it_with_all_the_seeds_names(client, sell):
    lamp = sell("Lamp", price=1250, quantity=3, sku="lamp-1", mark="lux", description="Warm.")

    answers = [
        client.get(f"/product/{ref}", headers=ACCEPT) for ref in (lamp.id, lamp.public_id, "lamp-1")
    ]

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["X-Product-Id"] for answer in answers} == {str(lamp.id)}
    for answer in answers:
        assert answer.json | {"created_at": "", "updated_at": ""} == {
            "id": lamp.id,
            "product_id": lamp.id,
            "public_id": lamp.public_id,
            "sku": "lamp-1",
            "name": "Lamp",
            "product_name": "Lamp",
            "description": "Warm.",
            "price": 12.5,
            "mark": "lux",
            "quantity": 3,
            "stock": 3,
            "user_id": 7,
            "created_at": "",
            "updated_at": "",
        }


def test_s0_get_product_unchanged_is_304(client, sell, grace):
    lamp = sell("Lamp", quantity=2)
    path = f"/product/{lamp.id}/"
    tag = client.get(path, headers=ACCEPT).headers["ETag"]

    same = client.get(path, headers=ACCEPT | {"If-None-Match": tag})
    client.put(path, json={"quantity": 1}, headers=grace | ACCEPT)
    other = client.get(path, headers=ACCEPT | {"If-None-Match": tag})

    assert (same.status_code, same.data) == (304, b"")
    assert same.headers["X-Product-Id"] == str(lamp.id)
    assert (other.status_code, other.json["stock"]) == (200, 1)


@pytest.mark.parametrize("ref", ["0", "99999", "9" * 30, "nothing", "ä", "%00", "LAMP-1", "١٢"])
def test_s0_get_product_that_is_none_is_404(client, sell, ref):
    sell("Lamp", sku="lamp-1")

    answer = client.get(f"/product/{ref}", headers=ACCEPT)

    assert (answer.status_code, answer.json["code"]) == (404, "product_not_found")


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_s0_without_an_accept_header_is_440(client, method, path):
    answer = client.open(path, method=method)

    assert (answer.status_code, answer.json["code"]) == (440, "accept_missing")


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_s0_an_accept_header_of_anything_will_do(client, method, path):
    answer = client.open(path, method=method, headers={"Accept": "*/*"})

    assert answer.status_code in {200, 401, 404}


def test_s0_put_product_changes_only_what_is_named(client, sell, grace):
    lamp = sell("Lamp", price=1000, quantity=2, mark="lux", sku="lamp-1")
    before = client.get(f"/product/{lamp.id}", headers=ACCEPT).json

    answer = client.put(f"/product/{lamp.id}", json={"price": 500}, headers=grace | ACCEPT)

    assert answer.status_code == 200
    assert answer.json == before | {"price": 500, "updated_at": answer.json["updated_at"]}
    assert client.get(f"/product/{lamp.id}", headers=ACCEPT).json == answer.json
    assert (
        client.get(f"/product/{lamp.id}", headers=ACCEPT).headers["ETag"] == answer.headers["ETag"]
    )


@pytest.mark.parametrize("word", ["quantity", "stock"])
def test_s0_put_product_sets_the_stock_by_either_word(client, sell, grace, word):
    lamp = sell("Lamp", quantity=2)

    answer = client.put(f"/product/{lamp.id}", json={word: 7}, headers=grace | ACCEPT)

    assert (answer.json["quantity"], answer.json["stock"]) == (7, 7)
    ledger = client.get(f"/v1/products/{lamp.id}/stock/ledger", headers=grace).json["items"]
    assert [(entry["delta"], entry["on_hand"]) for entry in ledger] == [(5, 7), (2, 2)]


def test_s0_put_product_sets_name_text_and_clears_what_may_be_empty(client, sell, grace):
    lamp = sell("Lamp", mark="lux", sku="lamp-1", description="Warm.")
    wanted = {"product_name": "Sun", "mark": None, "sku": None, "description": None}

    answer = client.put(f"/product/{lamp.id}", json=wanted, headers=grace | ACCEPT)

    assert answer.json.items() >= (wanted | {"name": "Sun"}).items()


def test_s0_put_product_is_for_its_owner_and_admins(client, sell, grace, ada, admin):
    path = f"/product/{sell('Lamp').id}"

    def put(headers):
        return client.put(path, json={"price": 5, "stock": 1}, headers=headers | ACCEPT)

    assert [put(who).status_code for who in ({}, ada, grace, admin)] == [401, 403, 200, 200]
    assert put({"Authorization": "Bearer a.b.c"}).status_code == 401


def test_s0_put_product_that_is_none_is_404(client, grace):
    answer = client.put("/product/99999", json={"price": 5}, headers=grace | ACCEPT)

    assert (answer.status_code, answer.json["code"]) == (404, "product_not_found")


def test_s0_put_product_with_a_taken_sku_is_422(client, sell, grace):
    sell("Cup", sku="one")
    lamp = sell("Lamp", price=1000, quantity=1)
    wanted = {"sku": "one", "price": 5, "quantity": 9}

    answer = client.put(f"/product/{lamp.id}", json=wanted, headers=grace | ACCEPT)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert list(answer.json["errors"]) == ["sku"]
    after = client.get(f"/product/{lamp.id}", headers=ACCEPT).json
    assert (after["sku"], after["price"], after["quantity"]) == (None, 10, 1)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b'{"price": NaN}', 400),
        (b"[]", 422),
        (b'{"colour": "red"}', 422),
        (b'{"id": 9}', 422),
        (b'{"user_id": 9}', 422),
        (b'{"price": "much"}', 422),
        (b'{"price": -1}', 422),
        (b'{"price": 1.005}', 422),
        (b'{"price": null}', 422),
        (b'{"price": true}', 422),
        (b'{"name": null}', 422),
        (b'{"name": ""}', 422),
        (b'{"name": 7}', 422),
        (b'{"name": "Sun", "product_name": "Moon"}', 422),
        (b'{"quantity": -1}', 422),
        (b'{"quantity": "3"}', 422),
        (b'{"quantity": 1.5}', 422),
        (b'{"quantity": null}', 422),
        (b'{"quantity": 2147483648}', 422),
        (b'{"quantity": 3, "stock": 4}', 422),
        (b'{"sku": "add-stock"}', 422),
        (b'{"sku": "12"}', 422),
    ],
)
def test_s0_put_product_refuses_a_bad_body(client, sell, grace, body, status):
    lamp = sell("Lamp", quantity=2)
    before = client.get(f"/product/{lamp.id}", headers=ACCEPT).json

    answer = client.put(
        f"/product/{lamp.id}", data=body, headers=grace | ACCEPT, content_type="application/json"
    )

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert client.get(f"/product/{lamp.id}", headers=ACCEPT).json == before


def test_s0_put_product_wants_json(client, sell, grace):
    path = f"/product/{sell('Lamp').id}"

    answer = client.put(path, data=b"{}", headers=grace | ACCEPT, content_type="text/plain")

    assert answer.status_code == 415


def test_s0_put_product_heeds_an_if_match(client, sell, grace):
    path = f"/product/{sell('Lamp').id}"
    tag = client.get(path, headers=ACCEPT).headers["ETag"]
    matching = grace | ACCEPT | {"If-Match": tag}

    first = client.put(path, json={"name": "Sun"}, headers=matching)
    second = client.put(path, json={"name": "Moon"}, headers=matching)

    assert [first.status_code, second.status_code] == [200, 412]


def test_s0_paths_of_other_methods_are_405(client, grace):
    assert client.post("/products", json={}, headers=grace | ACCEPT).status_code == 405
    assert client.delete("/product/1", headers=grace | ACCEPT).status_code == 405
