# SPDX-License-Identifier: Apache-2.0
"""Reading and cancelling orders, and who may."""

from uuid import uuid4

import pytest
from catalog_stub import CHAIR, LAMP, RUG
from pending import begin


def pending(database, owner=1):
    return begin(database, {LAMP: 2}, key="pending", owner=owner)


def test_an_order_reads_as_it_was_answered(ada):
    placed = ada.order("k", (LAMP, 2), (CHAIR, 1)).json

    assert ada.get(f"/v1/orders/{placed['id']}").json == placed


def test_an_admin_reads_everybodys_orders(ada, bob, root):
    mine, his = ada.order("k", (LAMP, 1)).json, bob.order("k", (LAMP, 1)).json

    assert root.get(f"/v1/orders/{mine['id']}").json == mine
    assert root.get("/v1/orders").json["items"] == [his, mine]


@pytest.mark.parametrize("path", ["", "/cancel"])
def test_somebody_elses_order_is_as_if_missing(ada, bob, path):
    placed = ada.order("k", (LAMP, 1)).json
    call = bob.post if path else bob.get

    theirs, missing = call(f"/v1/orders/{placed['id']}{path}"), call(f"/v1/orders/{uuid4()}{path}")

    assert (theirs.status_code, theirs.json["code"]) == (404, "order_not_found")
    names = ("status", "code", "detail", "title", "type", "errors")
    assert [theirs.json[name] for name in names] == [missing.json[name] for name in names]
    assert ada.get(f"/v1/orders/{placed['id']}").json["status"] == "confirmed"


@pytest.mark.parametrize("order_id", ["1", "x", "9" * 40, "%00", "0" * 32, "ä", "null"])
def test_what_is_no_order_id_is_not_found(ada, order_id):
    assert ada.get(f"/v1/orders/{order_id}").status_code == 404
    assert ada.post(f"/v1/orders/{order_id}/cancel").status_code == 404


def test_orders_are_listed_newest_first_page_by_page(ada, bob, catalog):
    catalog.products[LAMP]["available"] = 100
    placed = [ada.order(f"k{number}", (LAMP, 1)).json for number in range(5)]
    bob.order("k", (LAMP, 1))

    found, path = [], "/v1/orders?limit=2"
    pages = 0
    while path:
        page = ada.get(path).json
        found += page["items"]
        pages += 1
        cursor = page["next_cursor"]
        path = f"/v1/orders?limit=2&cursor={cursor}" if cursor else None

    assert found == placed[::-1]
    assert pages == 3


def test_a_list_shows_what_stands_or_stood(ada, database):
    ada.order("refused", (RUG, 9))
    pending(database)
    cancelled = ada.order("cancelled", (LAMP, 1)).json["id"]
    ada.post(f"/v1/orders/{cancelled}/cancel")
    confirmed = ada.order("confirmed", (LAMP, 1)).json["id"]

    listed = [(order["id"], order["status"]) for order in ada.get("/v1/orders").json["items"]]

    assert listed == [(confirmed, "confirmed"), (cancelled, "cancelled")]


def test_a_list_of_nothing_is_empty(ada):
    assert ada.get("/v1/orders").json == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=-1", "limit=201", "limit=x", "cursor=x", "cursor=", "page=2", "cursor=ä"],
)
def test_a_wrong_page_is_refused(ada, query):
    assert ada.get(f"/v1/orders?{query}").status_code in {200, 422}
    if query != "cursor=":
        assert ada.get(f"/v1/orders?{query}").status_code == 422


def test_a_cursor_is_good_for_nobody_else(ada, bob):
    for number in range(2):
        ada.order(f"k{number}", (LAMP, 1))
    cursor = ada.get("/v1/orders?limit=1").json["next_cursor"]

    assert bob.get(f"/v1/orders?cursor={cursor}").status_code == 422


def test_an_order_that_is_not_settled_shows_what_was_asked_for(ada, database):
    order = pending(database)

    assert ada.get(f"/v1/orders/{order.order_id}").json == {
        "id": str(order.order_id),
        "status": "pending",
        "items": [
            {
                "product_id": LAMP,
                "sku": None,
                "name": None,
                "quantity": 2,
                "unit_price": None,
                "subtotal": None,
            }
        ],
        "total": None,
        "currency": "USD",
        "placed_at": None,
    }


def test_a_cancelled_order_is_told_once_however_often_it_is_cancelled(ada, ledger):
    placed = ada.order("k", (LAMP, 2)).json

    first = ada.post(f"/v1/orders/{placed['id']}/cancel")
    second = ada.post(f"/v1/orders/{placed['id']}/cancel")

    assert first.status_code == second.status_code == 200
    assert first.json == second.json == placed | {"status": "cancelled"}
    [(_, was_placed), (kind, cancelled)] = ledger.events()
    assert kind == "OrderCancelled"
    assert cancelled == was_placed


def test_the_key_of_a_cancelled_order_still_answers_as_it_did(ada):
    placed = ada.order("k", (LAMP, 2))
    ada.post(f"/v1/orders/{placed.json['id']}/cancel")

    assert ada.order("k", (LAMP, 2)).data == placed.data


def test_an_admin_may_cancel_for_a_customer(ada, root):
    placed = ada.order("k", (LAMP, 2)).json

    assert root.post(f"/v1/orders/{placed['id']}/cancel").json["status"] == "cancelled"


def test_an_order_that_is_being_placed_cant_be_cancelled_yet(ada, database, ledger):
    order = pending(database)

    answer = ada.post(f"/v1/orders/{order.order_id}/cancel")

    assert (answer.status_code, answer.json["code"]) == (409, "in_progress")
    assert "Retry-After" in answer.headers
    assert ledger.statuses() == ["pending"]


def test_an_order_that_never_stood_cant_be_cancelled(ada, ledger, catalog):
    ada.order("k", (RUG, 9))
    [order_id] = catalog.commands

    answer = ada.post(f"/v1/orders/{order_id}/cancel")

    assert (answer.status_code, answer.json["code"]) == (409, "not_cancellable")
    assert ledger.events() == []


def test_a_products_total_counts_what_stands(app, ada, bob):
    ada.order("k", (LAMP, 2))
    bob.order("k", (LAMP, 3), (CHAIR, 1))
    gone = ada.order("gone", (LAMP, 4)).json["id"]
    ada.post(f"/v1/orders/{gone}/cancel")
    ada.order("refused", (LAMP, 100))

    for ref in (LAMP, "LAMP-1", "public000011"):
        answer = bob.get(f"/v1/orders/products/{ref}/total")
        assert (answer.status_code, answer.json) == (200, {"product_id": LAMP, "total_quantity": 5})
    assert ada.get(f"/v1/orders/products/{RUG}/total").json["total_quantity"] == 0
    assert app.test_client().get(f"/v1/orders/products/{RUG}/total").status_code == 401


@pytest.mark.parametrize("ref", ["404", "0", "9" * 30, "nothing", "a,b", "%00"])
def test_what_names_no_product_has_no_total(ada, ref):
    answer = ada.get(f"/v1/orders/products/{ref}/total")

    assert (answer.status_code, answer.json["code"]) == (404, "product_not_found")
