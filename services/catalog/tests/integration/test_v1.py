# SPDX-License-Identifier: Apache-2.0
from uuid import uuid4

import pytest


def test_a_new_product_is_answered_with_everything_that_is_known_of_it(client, grace):
    wanted = {
        "name": "Blue shoes",
        "price": "12.50",
        "sku": "shoe-1",
        "description": "They squeak.",
        "mark": "chabelo",
        "quantity": 5,
        "low_stock_at": 2,
    }

    answer = client.post("/v1/products", json=wanted, headers=grace)

    assert answer.status_code == 201
    product = answer.json
    assert product | {"id": 0, "public_id": "", "created_at": "", "updated_at": ""} == {
        "id": 0,
        "public_id": "",
        "sku": "shoe-1",
        "name": "Blue shoes",
        "description": "They squeak.",
        "price": "12.50",
        "currency": "USD",
        "mark": "chabelo",
        "available": 5,
        "low_stock_at": 2,
        "seller": {"id": 7, "username": "grace"},
        "created_at": "",
        "updated_at": "",
    }
    assert answer.headers["Location"] == f"/v1/products/{product['public_id']}"
    assert product["created_at"].endswith("Z")


def test_a_product_answers_to_its_id_its_public_id_and_its_sku(client, sell):
    lamp = sell("Lamp", sku="lamp-1", quantity=2)

    answers = [client.get(f"/v1/products/{ref}") for ref in (lamp.id, lamp.public_id, "lamp-1")]

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json["id"] for answer in answers} == {lamp.id}
    assert {answer.headers["X-Product-Id"] for answer in answers} == {str(lamp.id)}


@pytest.mark.parametrize(
    "ref", ["0", "99999", "9" * 30, "9" * 5000, "nothing", "ä", "%00", "LAMP-1", "١٢"]
)
def test_what_names_no_product_is_not_found(client, sell, ref):
    sell("Lamp", sku="lamp-1")

    answer = client.get(f"/v1/products/{ref}")

    assert answer.status_code == 404
    assert answer.json["code"] == "product_not_found"


def test_an_unchanged_product_is_not_sent_again(client, sell, grace):
    lamp = sell("Lamp", quantity=2)
    tag = client.get(f"/v1/products/{lamp.id}").headers["ETag"]

    same = client.get(f"/v1/products/{lamp.id}", headers={"If-None-Match": tag})
    client.post(f"/v1/products/{lamp.id}/stock", json={"delta": 1}, headers=grace)
    other = client.get(f"/v1/products/{lamp.id}", headers={"If-None-Match": tag})

    assert (same.status_code, same.data) == (304, b"")
    assert same.headers["X-Product-Id"] == str(lamp.id)
    assert (other.status_code, other.json["available"]) == (200, 3)


def test_only_its_seller_and_admins_change_a_product(client, sell, grace, ada, admin):
    lamp = sell("Lamp", price=1000)
    path = f"/v1/products/{lamp.id}"

    assert client.patch(path, json={"price": 9}).status_code == 401
    assert client.patch(path, json={"price": 9}, headers=ada).status_code == 403
    assert client.patch(path, json={"price": 9}, headers=grace).json["price"] == "9.00"
    assert client.patch(path, json={"price": 8}, headers=admin).json["price"] == "8.00"
    assert client.delete(path, headers=ada).status_code == 403
    assert client.delete(path, headers=grace).status_code == 204
    assert client.get(path).status_code == 404
    assert client.delete(path, headers=grace).status_code == 404


def test_a_stale_change_is_refused_and_a_sale_makes_none_stale(client, sell, grace):
    lamp = sell("Lamp", quantity=2)
    path = f"/v1/products/{lamp.id}"
    tag = client.get(path).headers["ETag"]
    client.post(f"{path}/stock", json={"delta": -1}, headers=grace)

    first = client.patch(path, json={"name": "Sun"}, headers=grace | {"If-Match": tag})
    second = client.patch(path, json={"name": "Moon"}, headers=grace | {"If-Match": tag})

    assert (first.status_code, first.json["name"]) == (200, "Sun")
    assert (second.status_code, second.json["code"]) == (412, "stale_product")


def test_a_sku_belongs_to_one_product_and_is_free_after_its_end(client, sell, grace):
    lamp = sell("Lamp", sku="one")
    wanted = {"name": "Cup", "price": 1, "sku": "one"}

    taken = client.post("/v1/products", json=wanted, headers=grace)
    client.delete(f"/v1/products/{lamp.id}", headers=grace)
    free = client.post("/v1/products", json=wanted, headers=grace)

    assert (taken.status_code, taken.json["code"]) == (409, "sku_taken")
    assert free.status_code == 201


def test_stock_is_added_taken_away_and_set(client, sell, grace):
    lamp = sell("Lamp", quantity=2)
    path = f"/v1/products/{lamp.id}/stock"

    added = client.post(path, json={"delta": 3, "reason": "delivery"}, headers=grace)
    taken = client.post(path, json={"delta": -4}, headers=grace)
    counted = client.post(path, json={"set": 10}, headers=grace)
    too_few = client.post(path, json={"delta": -11}, headers=grace)
    too_many = client.post(path, json={"delta": 2**31 - 1}, headers=grace)

    assert added.json == {"product_id": lamp.id, "on_hand": 5, "reserved": 0, "available": 5}
    assert [taken.json["on_hand"], counted.json["on_hand"]] == [1, 10]
    assert (too_few.status_code, too_few.json["code"]) == (409, "below_reserved")
    assert too_many.status_code == 422


def test_the_ledger_tells_every_change_and_adds_up(client, sell, grace, ada):
    lamp = sell("Lamp", quantity=2)
    path = f"/v1/products/{lamp.id}/stock"
    for delta in (3, -1, 5):
        client.post(path, json={"delta": delta, "reason": "count"}, headers=grace)

    first = client.get(f"{path}/ledger?limit=3", headers=grace).json
    rest = client.get(f"{path}/ledger?limit=3&cursor={first['next_cursor']}", headers=grace).json

    items = first["items"] + rest["items"]
    assert [item["delta"] for item in items] == [5, -1, 3, 2]
    assert [item["on_hand"] for item in items] == [9, 4, 5, 2]
    assert sum(item["delta"] for item in items) == 9
    assert items[0]["actor"] == "user/7"
    assert rest["next_cursor"] is None
    assert client.get(f"{path}/ledger", headers=ada).status_code == 403
    assert client.get(f"{path}/ledger").status_code == 401


def test_the_price_history_knows_the_lowest_of_thirty_days(client, sell, grace):
    lamp = sell("Lamp", price=1000)
    for price in ("7.50", "9.99"):
        client.patch(f"/v1/products/{lamp.id}", json={"price": price}, headers=grace)

    history = client.get(f"/v1/products/{lamp.id}/prices").json

    assert [item["price"] for item in history["items"]] == ["9.99", "7.50", "10.00"]
    assert history["lowest_30d"] == "7.50"


def test_pages_follow_each_other_without_gaps_or_repeats(client, sell):
    made = [sell(f"Lamp {number}", price=100 * (number % 3)).id for number in range(7)]

    for sort in ("-created_at", "created_at", "price", "-price"):
        seen, cursor = [], ""
        while cursor is not None:
            page = client.get(f"/v1/products?limit=2&sort={sort}{cursor}").json
            seen += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        assert sorted(seen) == sorted(made), sort


def test_lists_are_filtered(client, sell):
    red = sell("Red lamp", price=500, mark="lux", quantity=1)
    sell("Blue cup", price=900, mark="cera")

    def found(query):
        return [item["id"] for item in client.get(f"/v1/products?{query}").json["items"]]

    for query in ("q=lamp", "q=lam", "q=LAMP+red", "mark=lux", "max_price=5.00", "in_stock=true"):
        assert found(query) == [red.id], query
    assert len(found("seller=grace")) == len(found("seller=7")) == 2
    assert found("seller=nobody") == found("q=plate") == found("min_price=9.01") == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=1e9",
        "limit=201",
        "sort=seller_id",
        "cursor=AAAA",
        "page=2",
        "min_price=x",
        "in_stock=perhaps",
        "q=%2B%2B",
        "q=" + "x" * 201,
    ],
)
def test_a_list_that_can_not_be_is_refused(client, query):
    answer = client.get(f"/v1/products?{query}")

    assert answer.status_code == 422
    assert answer.json["errors"]


def test_a_cursor_is_good_for_its_own_list_only(client, sell):
    for number in range(3):
        sell(f"Lamp {number}")
    cursor = client.get("/v1/products?limit=1").json["next_cursor"]

    assert client.get(f"/v1/products?limit=2&cursor={cursor}").status_code == 200
    assert client.get(f"/v1/products?sort=price&cursor={cursor}").status_code == 422
    assert client.get(f"/v1/products?cursor={cursor[:-2]}AA").status_code == 422


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"name": NaN}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"{}", "application/json; charset=utf-16", 415),
        (b"{}", None, 415),
        (b"", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'"x"', "application/json", 422),
        (b'{"name": "x", "price": 1, "seller_id": 1}', "application/json", 422),
        (b'{"name": ["x"], "price": 1}', "application/json", 422),
        (b'{"name": "x", "price": 1' + b"0" * 5000 + b"}", "application/json", 400),
        (b'{"name": "x", "price": 1' + b"0" * 30 + b"}", "application/json", 422),
    ],
)
def test_a_bad_body_gets_the_right_refusal(client, grace, body, content_type, status):
    answer = client.post("/v1/products", data=body, headers=grace, content_type=content_type)

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"


def test_a_reservation_is_for_services_only(client, grace, sell, token_factory):
    lamp = sell("Lamp", quantity=1)
    path = f"/internal/reservations/{uuid4()}"
    body = {"items": [{"product_id": lamp.id, "quantity": 1}]}
    service = token_factory.service_bearer("orders")

    assert client.put(path, json=body).status_code == 401
    assert client.put(path, json=body, headers=grace).status_code == 401
    first = client.put(path, json=body, headers=service)
    again = client.put(path, json=body, headers=service)
    assert (first.status_code, first.data) == (200, again.data)
    assert client.put("/internal/reservations/7", json=body, headers=service).status_code == 404


def test_a_reserve_command_that_comes_short_names_the_lines(client, sell, token_factory):
    lamp = sell("Lamp", quantity=1)
    body = {"items": [{"product_id": lamp.id, "quantity": 1}] * 2}

    answer = client.put(
        f"/internal/reservations/{uuid4()}",
        json=body,
        headers=token_factory.service_bearer("orders"),
    )

    assert answer.status_code == 409
    assert answer.json["code"] == "insufficient_stock"
    assert answer.json["items"] == [{"product_id": lamp.id, "requested": 2, "available": 1}]


def test_names_are_resolved_and_unknown_ones_left_out(client, sell, token_factory):
    lamp = sell("Lamp", sku="lamp-1", price=750, quantity=4)
    refs = f"{lamp.id},lamp-1,{lamp.public_id},nothing,{'9' * 25},ä"

    answer = client.get(
        f"/internal/products/resolve?refs={refs}", headers=token_factory.service_bearer("orders")
    )

    assert [item["ref"] for item in answer.json["items"]] == [
        str(lamp.id),
        "lamp-1",
        lamp.public_id,
    ]
    assert answer.json["items"][0] | {"ref": ""} == {
        "ref": "",
        "product_id": lamp.id,
        "public_id": lamp.public_id,
        "sku": "lamp-1",
        "name": "Lamp",
        "price": 750,
        "currency": "USD",
        "available": 4,
    }


def test_v1_post_product_needs_a_token_and_gives_a_tag(client, grace):
    wanted = {"name": "Lamp", "price": 5}

    refused = client.post("/v1/products", json=wanted)
    made = client.post("/v1/products", json=wanted, headers=grace)

    assert (refused.status_code, refused.json["code"]) == (401, "token_missing")
    assert client.get(made.headers["Location"]).headers["ETag"] == made.headers["ETag"]


def test_v1_patch_product_refuses_a_sku_that_another_has(client, sell, grace):
    sell("Cup", sku="one")
    lamp = sell("Lamp")

    answer = client.patch(f"/v1/products/{lamp.id}", json={"sku": "one"}, headers=grace)

    assert (answer.status_code, answer.json["code"]) == (409, "sku_taken")


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"name": ""},
        {"price": None},
        {"price": -1},
        {"price": "1.005"},
        {"sku": "my"},
        {"sku": "7"},
        {"mark": ""},
        {"low_stock_at": -1},
        {"quantity": 5},
        {"id": 5},
        {"seller_id": 5},
    ],
)
def test_v1_patch_product_refuses_a_bad_change(client, sell, grace, change):
    path = f"/v1/products/{sell('Lamp').id}"
    before = client.get(path).json

    answer = client.patch(path, json=change, headers=grace)

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == list(change)
    assert client.get(path).json == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/stock"),
        ("GET", "/stock/ledger"),
        ("GET", "/prices"),
    ],
)
def test_v1_nothing_can_be_done_with_a_product_that_is_none(client, grace, method, path):
    body = {"delta": 1} if path == "/stock" else {}

    answer = client.open(f"/v1/products/nothing{path}", method=method, json=body, headers=grace)

    assert (answer.status_code, answer.json["code"]) == (404, "product_not_found")


def test_v1_stock_is_for_its_seller_and_admins(client, sell, grace, ada, admin):
    path = f"/v1/products/{sell('Lamp').id}/stock"

    def post(headers):
        return client.post(path, json={"delta": 1}, headers=headers).status_code

    assert [post(who) for who in ({}, ada, grace, admin)] == [401, 403, 200, 200]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"delta": 1, "set": 1},
        {"set": -1},
        {"delta": 1.5},
        {"delta": "1"},
        {"delta": True},
        {"delta": 2**31},
        {"delta": 1, "reason": ""},
        {"delta": 1, "reason": "x" * 256},
        {"delta": 1, "actor": "user/1"},
    ],
)
def test_v1_stock_refuses_a_bad_change(client, sell, grace, body):
    path = f"/v1/products/{sell('Lamp', quantity=2).id}"

    answer = client.post(f"{path}/stock", json=body, headers=grace)

    assert answer.status_code == 422
    assert answer.json["errors"]
    assert client.get(path).json["available"] == 2


@pytest.mark.parametrize(
    "query", ["seller=" + "9" * 40, "seller=%00", "seller=٣", "mark=%F0%9F%98%80"]
)
def test_v1_a_filter_that_nothing_passes_is_an_empty_list(client, sell, query):
    sell("Lamp")

    answer = client.get(f"/v1/products?{query}")

    assert (answer.status_code, answer.json) == (200, {"items": [], "next_cursor": None})
