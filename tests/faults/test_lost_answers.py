# SPDX-License-Identifier: Apache-2.0
"""It happened, and whoever asked for it never heard: a COMMIT, a confirm, a response."""

import pytest

from common.testing import eventually
from support.proxy import COMMIT, PUBLISH, RESERVE


def order_until_answered(buyer, key, product):
    """Repeat one order as a client would; the first reply and the last."""
    first = last = buyer.order(key, product)

    def answered():
        nonlocal last
        if last.status != 201:
            last = buyer.order(key, product)
        return last.status == 201

    eventually(answered, seconds=20)
    return first, last


def one_order_stands(house, buyer, product, order_id):
    """One confirmed order, told once, its one unit sold, and the customer sees it."""
    # Each 503 gave up an order of its own; the last one stands.
    *given_up, last = house.order_statuses(product)
    assert (set(given_up) <= {"rejected"}, last) == (True, "confirmed")
    eventually(lambda: house.stock(product) == (9, 0), what="one unit sold, none held")
    placed = house.broker.events("OrderPlaced")
    mine = [event for event in placed if event["data"]["items"][0]["product_id"] == product]
    assert [event["data"]["order_id"] for event in mine] == [order_id]
    assert buyer.get(f"/v1/orders/{order_id}").body["status"] == "confirmed"


def test_without_a_fault_one_unit_is_sold_and_one_order_told(well, buyer):
    """The control: what the others compare with."""
    product = well.product()

    first, last = order_until_answered(buyer, "plain", product)

    assert first.status == last.status == 201
    one_order_stands(well, buyer, product, last.body["id"])


@pytest.mark.parametrize("then", ["cut", "hang"])
@pytest.mark.parametrize("transaction", ["begin", "confirm"])
def test_a_commit_of_orders_whose_receipt_is_lost_is_one_order(well, buyer, transaction, then):
    product, wire = well.product(), well.wire("orders", "database")
    wire.swallow_answer_to(COMMIT, skip=["begin", "confirm"].index(transaction), then=then)
    before = wire.swallowed

    first, last = order_until_answered(buyer, "k", product)

    assert wire.swallowed == before + 1, "nothing was lost: the test proves nothing"
    assert first.status in {201, 503}
    one_order_stands(well, buyer, product, last.body["id"])
    assert buyer.order("k", product).body == last.body


@pytest.mark.parametrize("then", ["cut", "hang"])
def test_a_commit_of_catalog_whose_receipt_is_lost_takes_one_unit(well, buyer, then):
    product, wire = well.product(), well.wire("catalog", "database")
    wire.swallow_answer_to(COMMIT, then=then)
    before = wire.swallowed

    first, last = order_until_answered(buyer, "k", product)

    assert wire.swallowed == before + 1, "nothing was lost: the test proves nothing"
    assert first.status in {201, 503}
    one_order_stands(well, buyer, product, last.body["id"])


@pytest.mark.parametrize("then", ["cut", "hang"])
def test_a_response_of_catalog_that_is_lost_takes_one_unit(well, buyer, then):
    product, wire = well.product(), well.wire("orders", "catalog")
    wire.swallow_answer_to(RESERVE, then=then)
    before = wire.swallowed

    first, last = order_until_answered(buyer, "k", product)

    assert wire.swallowed == before + 1, "nothing was lost: the test proves nothing"
    assert first.status in {201, 503}
    one_order_stands(well, buyer, product, last.body["id"])


@pytest.mark.parametrize("then", ["cut", "hang"])
def test_a_confirm_that_is_lost_is_published_again_and_has_its_effect_once(well, buyer, then):
    """Where nothing comes and nothing ends, the relay gives up after ten seconds."""
    product, wire = well.product(), well.wire("orders-worker", "broker")
    eventually(lambda: well.waiting("orders") == 0, what="nobody else's event on the way")
    wire.swallow_answer_to(PUBLISH, then=then)
    before = wire.swallowed

    order_id = buyer.order("k", product).body["id"]

    def copies():
        return well.broker.events("OrderPlaced", order_id=order_id)

    eventually(lambda: len(copies()) == 2, seconds=20, what="the event published again")
    assert wire.swallowed == before + 1
    assert len({event["id"] for event in copies()}) == 1, "both are the same event"
    eventually(lambda: well.stock(product) == (9, 0))
    second = buyer.order("after", product).body["id"]
    eventually(lambda: well.broker.events("OrderPlaced", order_id=second))
    eventually(lambda: well.stock(product) == (8, 0), what="each effect once")
