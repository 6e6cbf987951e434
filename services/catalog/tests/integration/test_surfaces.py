# SPDX-License-Identifier: Apache-2.0
"""One product, many surfaces: made on any of them, it is the same on all."""

import pytest

ACCEPT = {"Accept": "*/*"}

MADE = {
    "/v1/products": {"name": "Lamp", "price": "0.00", "quantity": 4},
    "/api/products": {"name": "Lamp", "price": 0, "quantity": 4},
    "/product/add": {"product_name": "Lamp", "stock": 4},
}


@pytest.mark.parametrize("path", MADE)
def test_a_product_made_on_one_surface_is_seen_on_all(client, grace, path):
    made = client.post(path, json=MADE[path], headers=grace).json

    shown = client.get(f"/product/{made['id']}", headers=ACCEPT).json

    assert shown.items() >= {"name": "Lamp", "price": 0, "stock": 4, "user_id": 7}.items()
    assert client.get(f"/api/products/{made['id']}").json == shown
    for listing in ("/products", "/product/all", "/api/products", "/api/products/my"):
        assert client.get(listing, headers=grace | ACCEPT).json == [shown], listing
    canonical = client.get(f"/v1/products/{made['id']}").json
    assert canonical["public_id"] == shown["public_id"]
    assert (canonical["price"], canonical["available"]) == ("0.00", 4)
    assert client.get("/v1/products").json["items"] == [canonical]


def test_a_change_on_one_surface_is_seen_on_all(client, sell, grace):
    lamp = sell("Lamp", price=1000, quantity=1)
    client.put(f"/api/products/{lamp.id}", json={"price": 500}, headers=grace)
    client.put(f"/product/{lamp.id}", json={"mark": "lux"}, headers=grace | ACCEPT)
    client.patch(f"/v1/products/{lamp.id}", json={"description": "Warm."}, headers=grace)
    client.post("/product/add-stock", json={"product_id": "Lamp", "stock": 2}, headers=grace)

    shown = client.get(f"/api/products/{lamp.id}").json
    prices = client.get(f"/v1/products/{lamp.id}/prices").json
    ledger = client.get(f"/v1/products/{lamp.id}/stock/ledger", headers=grace).json

    expected = {"price": 500, "mark": "lux", "description": "Warm.", "stock": 3}
    assert shown.items() >= expected.items()
    assert [item["price"] for item in prices["items"]] == ["500.00", "10.00"]
    assert [entry["reason"] for entry in ledger["items"]] == ["restocked", "initial stock"]


def test_what_is_gone_on_one_surface_is_gone_on_all(client, sell, grace):
    lamp = sell("Lamp")
    client.delete(f"/api/products/{lamp.id}", headers=grace)

    paths = [f"/{path}/{lamp.id}" for path in ("product", "api/products", "v1/products")]

    assert {client.get(path, headers=ACCEPT).status_code for path in paths} == {404}
    assert client.get("/products", headers=ACCEPT).json == []


def test_a_tag_of_one_surface_is_good_for_no_stale_page_of_another(client, sell, grace):
    lamp = sell("Lamp", quantity=1)
    tag = client.get(f"/v1/products/{lamp.id}").headers["ETag"]
    client.post("/product/add-stock", json={"product_id": lamp.id, "stock": 1}, headers=grace)

    answer = client.get(f"/api/products/{lamp.id}", headers={"If-None-Match": tag})

    assert (answer.status_code, answer.json["stock"]) == (200, 2)
