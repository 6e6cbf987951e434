# SPDX-License-Identifier: Apache-2.0
"""Placing an order: what the customer gets, what stands, and what the world is told."""

import re

import pytest
from catalog_stub import CHAIR, LAMP, RUG
from pending import begin

from common.testing.counting import counting

KEY = "0b1e7a60"


def same(one, other):
    return (one.status_code, one.data, one.content_type) == (
        other.status_code,
        other.data,
        other.content_type,
    )


def test_an_order_of_items_stands_with_catalogs_prices(ada, catalog, ledger):
    answer = ada.order(KEY, (CHAIR, 1), ("LAMP-1", 2), expected_total="65.00")

    assert answer.status_code == 201
    body = answer.json
    assert re.fullmatch(r"[0-9a-f-]{36}", body.pop("id"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body.pop("placed_at"))
    assert body == {
        "status": "confirmed",
        "items": [
            {
                "product_id": LAMP,
                "sku": "LAMP-1",
                "name": "Lamp",
                "quantity": 2,
                "unit_price": "12.50",
                "subtotal": "25.00",
            },
            {
                "product_id": CHAIR,
                "sku": None,
                "name": "Chair",
                "quantity": 1,
                "unit_price": "40.00",
                "subtotal": "40.00",
            },
        ],
        "total": "65.00",
        "currency": "USD",
    }
    assert catalog.available(LAMP) == 8
    assert ledger.statuses() == ["confirmed"]


def test_a_placed_order_is_told_with_its_lines_in_minor_units(ada, ledger):
    order_id = ada.order(KEY, (LAMP, 2)).json["id"]

    line = {"product_id": LAMP, "quantity": 2, "unit_price": 1250, "sku": "LAMP-1", "name": "Lamp"}
    assert ledger.events() == [
        (
            "OrderPlaced",
            {
                "order_id": order_id,
                "customer_id": 1,
                "items": [line],
                "total": 2500,
                "currency": "USD",
            },
        )
    ]


def test_the_same_product_twice_is_one_line(ada):
    answer = ada.order(KEY, (LAMP, 1), ("LAMP-1", 2), (str(LAMP), 3))

    assert [item["quantity"] for item in answer.json["items"]] == [6]


def test_an_order_of_the_cart_takes_what_is_in_it(ada, ledger):
    ada.want(LAMP, 2)
    ada.want(RUG, 1)

    answer = ada.order(KEY)

    assert answer.status_code == 201
    assert answer.json["total"] == "124.99"
    cart = ada.get("/v1/cart").json
    assert cart["items"] == []
    assert cart["version"] == 3
    assert ada.order("another").json["code"] == "empty_order"


def test_an_order_of_items_leaves_the_cart_alone(ada):
    ada.want(LAMP, 2)

    ada.order(KEY, (LAMP, 1))

    assert [item["quantity"] for item in ada.get("/v1/cart").json["items"]] == [2]


def test_an_empty_order_is_refused_and_its_key_is_not_burnt(ada, ledger):
    assert ada.order(KEY).json["code"] == "empty_order"
    empty = ada.client.post(
        "/v1/orders", headers=ada.headers | {"Idempotency-Key": "other"}, json={"items": []}
    )
    assert (empty.status_code, empty.json["code"]) == (422, "empty_order")
    ada.want(LAMP, 1)

    assert ada.order(KEY).status_code == 201
    assert ledger.statuses() == ["confirmed"]


def test_one_accepted_one_line_order_costs_six_statements_two_commits_and_one_call(
    ada, catalog, database
):
    with counting(database) as asked:
        assert ada.order(KEY, (LAMP, 1)).status_code == 201

    assert len(asked.statements) <= 6, asked.statements
    assert not [statement for statement in asked.statements if "RETURNING" in statement]
    assert asked.commits == 2
    assert (catalog.calls, catalog.reads) == (1, 0)


# --- the key --------------------------------------------------------------------------------------


def test_the_same_key_a_hundred_times_is_one_order_with_the_same_bytes(ada, catalog, ledger):
    first = ada.order(KEY, (LAMP, 1))
    again = [ada.order(KEY, (LAMP, 1)) for _ in range(99)]

    assert "Idempotent-Replayed" not in first.headers
    assert all(same(first, answer) for answer in again)
    assert {answer.headers["Idempotent-Replayed"] for answer in again} == {"true"}
    assert catalog.available(LAMP) == 9
    assert ledger.statuses() == ["confirmed"]
    assert ledger.event_types() == ["OrderPlaced"]


def test_a_replay_writes_nothing_and_needs_no_catalog(ada, catalog, database):
    first = ada.order(KEY, ("LAMP-1", 1))
    catalog.mood = "away"
    catalog.products.clear()

    with counting(database) as asked:
        assert same(first, ada.order(KEY, ("LAMP-1", 1)))

    assert {statement.split()[0] for statement in asked.statements} == {"SELECT"}


def test_a_replayed_cart_order_leaves_the_new_cart_alone(ada):
    ada.want(LAMP, 1)
    first = ada.order(KEY)
    ada.want(CHAIR, 1)

    assert same(first, ada.order(KEY))
    assert [item["product_id"] for item in ada.get("/v1/cart").json["items"]] == [CHAIR]


@pytest.mark.parametrize("first", [LAMP, "LAMP-1"])
@pytest.mark.parametrize("second", [CHAIR, "GARISH-RUG"])
def test_the_same_key_for_another_request_is_refused(ada, ledger, first, second):
    answer = ada.order(KEY, (first, 1))

    other = ada.order(KEY, (second, 1))

    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
    assert same(answer, ada.order(KEY, (first, 1)))
    assert ledger.statuses() == ["confirmed"]


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "idempotency_key_missing"),
        ("", "idempotency_key_missing"),
        ("a b", "idempotency_key_invalid"),
        ("x" * 256, "idempotency_key_invalid"),
        ("schlüssel", "idempotency_key_invalid"),
    ],
)
def test_without_a_good_key_nothing_is_ordered(ada, ledger, key, code):
    answer = ada.order(key, (LAMP, 1))

    assert (answer.status_code, answer.json["code"]) == (400, code)
    assert ledger.statuses() == []


def test_keys_are_compared_byte_by_byte(ada):
    ids = {ada.order(key, (LAMP, 1)).json["id"] for key in ("key", "KEY", "key.", "x" * 255)}

    assert len(ids) == 4


def test_another_customer_with_the_same_key_has_an_order_of_ones_own(ada, bob):
    first, second = ada.order(KEY, (LAMP, 1)), bob.order(KEY, (LAMP, 1))

    assert second.status_code == 201
    assert "Idempotent-Replayed" not in second.headers
    assert first.json["id"] != second.json["id"]


def test_a_customer_who_hung_up_finds_the_order_with_the_same_key(ada, shopper, ledger):
    # What the cut client never read is what the first call returns here: nobody looks at it.
    ada.order(KEY, (LAMP, 1))

    found = shopper().order(KEY, (LAMP, 1))

    assert found.status_code == 201
    assert found.json["id"] == str(ledger.order(found.json["id"]).id)
    assert ledger.statuses() == ["confirmed"]


# --- catalog says no ------------------------------------------------------------------------------


def test_short_lines_are_all_named_and_nothing_is_taken(ada, catalog, ledger):
    ada.want(LAMP, 1)

    answer = ada.order(KEY, (LAMP, 1), (CHAIR, 4), (RUG, 2))

    assert answer.status_code == 409
    assert answer.content_type == "application/problem+json"
    assert answer.json["code"] == "insufficient_stock"
    assert answer.json["items"] == [
        {"product_id": CHAIR, "requested": 4, "available": 3},
        {"product_id": RUG, "requested": 2, "available": 1},
    ]
    assert catalog.held() == []
    assert ledger.statuses() == ["rejected"]
    assert ledger.events() == []


def test_a_refused_cart_is_kept_and_may_be_ordered_again(ada):
    ada.want(RUG, 2)
    assert ada.order(KEY).status_code == 409
    ada.want(RUG, 1)

    assert ada.order("another").status_code == 201


def test_a_refusal_is_replayed_also_after_a_restock(ada, catalog):
    refused = ada.order(KEY, (RUG, 2))
    catalog.products[RUG]["available"] = 100

    again = ada.order(KEY, (RUG, 2))

    assert same(refused, again)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert ada.order("another", (RUG, 2)).status_code == 201


def test_a_total_that_is_not_the_expected_one_is_refused(ada, catalog, ledger):
    answer = ada.order(KEY, (LAMP, 2), expected_total="24.99")

    assert (answer.status_code, answer.json["code"]) == (409, "price_changed")
    assert ledger.statuses() == ["rejected"]
    assert catalog.available(LAMP) == 10


def test_an_unknown_id_is_refused_by_catalog_and_remembered(ada, catalog):
    answer = ada.order(KEY, (404, 1), (LAMP, 1))
    catalog.sell(404, "Not found")

    assert (answer.status_code, answer.json["code"]) == (404, "product_not_found")
    assert answer.json["items"] == [{"product_id": 404}]
    assert same(answer, ada.order(KEY, (404, 1), (LAMP, 1)))


@pytest.mark.parametrize("ref", ["nothing", "0", "9" * 30, "a,b", "%2C"])
def test_an_unknown_name_is_refused_before_anything_is_written(ada, ledger, ref):
    answer = ada.order(KEY, (ref, 1))

    assert (answer.status_code, answer.json["code"]) == (404, "product_not_found")
    assert ledger.statuses() == []


def test_a_total_that_nobody_can_store_is_refused(ada, catalog, ledger):
    for number in range(100, 112):
        catalog.sell(number, "Diamond", price=10**12, stock=10**6)

    answer = ada.order(KEY, *((number, 10**6) for number in range(100, 112)))

    assert (answer.status_code, answer.json["code"]) == (422, "order_too_large")
    assert ledger.statuses() == ["rejected"]
    assert catalog.held() == []


# --- catalog says nothing -------------------------------------------------------------------------


@pytest.mark.parametrize("mood", ["away", "cut", "deaf", "babbling", "odd"])
def test_without_an_answer_of_catalog_nothing_is_promised(ada, catalog, ledger, mood):
    ada.want(LAMP, 1)
    catalog.mood = mood

    answer = ada.order(KEY)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert ledger.statuses() == ["rejected"]
    [(kind, told)] = ledger.events()
    assert (kind, told["reason"]) == ("OrderRejected", "unavailable")


@pytest.mark.parametrize("mood", ["away", "deaf"])
def test_the_same_key_then_starts_anew_with_another_order(ada, catalog, ledger, mood):
    ada.want(LAMP, 1)
    catalog.mood = mood
    ada.order(KEY)
    catalog.mood = "well"

    answer = ada.order(KEY)

    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer.headers
    assert ledger.statuses() == ["rejected", "confirmed"]
    [(_, rejected), (_, placed)] = ledger.events()
    assert placed["order_id"] == answer.json["id"] != rejected["order_id"]
    # What the first order may hold is released by its event; nothing else is.
    assert set(catalog.held()) <= {rejected["order_id"], placed["order_id"]}


@pytest.mark.parametrize("catalog_seconds", [0.3])
def test_a_catalog_that_hangs_is_not_waited_for(ada, catalog, ledger):
    catalog.gate.clear()

    answer = ada.order(KEY, (LAMP, 1))

    assert answer.status_code == 503
    assert ledger.event_types() == ["OrderRejected"]


def test_names_cant_be_resolved_without_catalog_and_nothing_is_written(ada, catalog, ledger):
    catalog.mood = "away"

    assert ada.order(KEY, ("LAMP-1", 1)).status_code == 503
    assert ledger.statuses() == []


# --- a request that died --------------------------------------------------------------------------


def of(*items):
    from orders.schemas import OrderIn  # noqa: PLC0415 - only for its fingerprint

    return OrderIn.model_validate(
        {"items": [{"product": ref, "quantity": units} for ref, units in items]}
    ).fingerprint()


def test_while_a_request_is_in_flight_its_repetition_waits(ada, database, catalog):
    begin(database, {LAMP: 1}, key=KEY, fingerprint=of((LAMP, 1)))

    answer = ada.order(KEY, (LAMP, 1))

    assert (answer.status_code, answer.json["code"]) == (409, "in_progress")
    assert answer.headers["Retry-After"] == "1"
    assert catalog.commands == []


def test_a_retry_takes_over_the_order_of_a_request_that_died(ada, database, catalog, ledger):
    died = begin(database, {LAMP: 1}, key=KEY, fingerprint=of((LAMP, 1)))
    ledger.lapse()

    answer = ada.order(KEY, (LAMP, 1))

    assert answer.status_code == 201
    assert answer.json["id"] == str(died.order_id)
    assert catalog.commands == [str(died.order_id)]


def test_a_retry_of_a_request_that_died_after_catalog_did_its_part_takes_no_more(
    ada, database, catalog, ledger
):
    died = begin(database, {LAMP: 4}, key=KEY, fingerprint=of((LAMP, 4)))
    lines = [{"product_id": LAMP, "quantity": 4}]
    catalog.reserve(str(died.order_id), {"items": lines, "expected_total": None})
    ledger.lapse()

    answer = ada.order(KEY, (LAMP, 4))

    assert answer.json["id"] == str(died.order_id)
    assert catalog.available(LAMP) == 6
    assert ledger.event_types() == ["OrderPlaced"]


def test_a_lapsed_key_with_another_request_is_still_refused(ada, database, ledger):
    begin(database, {LAMP: 1}, key=KEY, fingerprint=of((LAMP, 1)))
    ledger.lapse()

    assert ada.order(KEY, (LAMP, 2)).json["code"] == "idempotency_key_reused"
