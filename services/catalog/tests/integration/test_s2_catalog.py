# SPDX-License-Identifier: Apache-2.0
"""S2's rows: one's own products, and what it shares with S1 in its own words."""

LAMP = {"name": "Lamp", "price": 12.5, "description": "Warm light."}


def test_s2_get_my_products_lists_only_ones_own(client, sell, grace, ada):
    mine = [sell(name).id for name in ("Lamp", "Cup")]
    other = client.post("/api/products", json=LAMP, headers=ada).json

    answers = [client.get("/api/products/my", headers=who) for who in (grace, ada)]

    assert [item["id"] for item in answers[0].json] == mine
    assert answers[1].json == [other]
    assert [answer.headers["X-Total-Count"] for answer in answers] == ["2", "1"]


def test_s2_get_my_products_goes_page_by_page(client, sell, grace):
    made = [sell(f"Lamp {number}").id for number in range(3)]

    answer = client.get("/api/products/my/?limit=1&page=2", headers=grace)

    assert [item["id"] for item in answer.json] == made[1:2]
    assert '</api/products/my/?page=3&limit=1>; rel="next"' in answer.headers["Link"]
    assert client.get("/api/products/my?limit=0", headers=grace).status_code == 422


def test_s2_get_my_products_leaves_out_what_is_gone(client, sell, grace):
    client.delete(f"/api/products/{sell('Lamp').id}", headers=grace)

    assert client.get("/api/products/my", headers=grace).json == []


def test_s2_get_my_products_without_a_token_is_401(client):
    assert client.get("/api/products/my").status_code == 401
    assert client.get("/api/products/my", headers={"Authorization": "a.b.c"}).status_code == 401


def test_s2_post_product_takes_the_seeds_body(client, grace):
    answer = client.post("/api/products", json=LAMP, headers=grace)

    assert answer.status_code == 201
    assert answer.json.items() >= (LAMP | {"user_id": 7, "sku": None, "quantity": 0}).items()


def test_s2_delete_product_is_for_own_ones_only(client, sell, grace, ada):
    path = f"/api/products/{sell('Lamp').id}"

    assert client.delete(path).status_code == 401
    assert client.delete(path, headers=ada).status_code == 403
    assert client.delete("/api/products/99999", headers=ada).status_code == 404
    assert client.delete(path, headers=grace).status_code == 200


def test_s2_my_is_no_product_to_change(client, grace):
    assert client.delete("/api/products/my", headers=grace).status_code == 404
    assert client.put("/api/products/my", json={"price": 1}, headers=grace).status_code == 404
