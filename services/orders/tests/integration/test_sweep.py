# SPDX-License-Identifier: Apache-2.0
"""Orders that somebody left behind: the sweep settles each by catalog's word."""

import pytest
from catalog_stub import LAMP, RUG
from pending import begin

from orders import checkout as checkout_module
from orders.commands.begin import take_over_lapsed
from orders.commands.settle import abandoned, settle_orders
from orders.schemas import OrderIn


@pytest.fixture
def leave_behind(database, ledger):
    """Begins an order as a request that dies at once: of these lines, or of the cart."""

    def leave(lines, key="left", owner=1):
        items = [{"product": ref, "quantity": units} for ref, units in (lines or {}).items()]
        wish = OrderIn.model_validate({"items": items} if lines else {})
        attempt = begin(database, lines, key=key, owner=owner, fingerprint=wish.fingerprint())
        ledger.lapse()
        return attempt

    return leave


def test_an_order_that_somebody_holds_is_left_alone(database, checkout, catalog, ledger):
    begin(database, {LAMP: 1})

    assert checkout.sweep() == 0
    assert catalog.commands == []
    assert ledger.statuses() == ["pending"]


def test_what_catalog_reserved_is_confirmed_and_the_customer_finds_it(
    ada, checkout, catalog, ledger, leave_behind
):
    left = leave_behind({LAMP: 4})
    lines = [{"product_id": LAMP, "quantity": 4}]
    catalog.reserve(str(left.order_id), {"items": lines, "expected_total": None})

    assert checkout.sweep() == 1

    answer = ada.order("left", (LAMP, 4))
    assert answer.status_code == 201
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert answer.json["id"] == str(left.order_id)
    assert answer.json == ada.get(f"/v1/orders/{left.order_id}").json
    assert catalog.available(LAMP) == 6
    assert ledger.event_types() == ["OrderPlaced"]


def test_what_catalog_refuses_is_rejected_and_the_customer_finds_the_refusal(
    ada, checkout, catalog, ledger, leave_behind
):
    leave_behind({RUG: 2})

    assert checkout.sweep() == 1

    assert ledger.statuses() == ["rejected"]
    assert ledger.events() == []
    answer = ada.order("left", (RUG, 2))
    assert (answer.status_code, answer.json["code"]) == (409, "insufficient_stock")
    assert answer.headers["Idempotent-Replayed"] == "true"


def test_a_cart_that_was_left_behind_is_ordered_by_the_sweep(ada, checkout, leave_behind):
    ada.want(LAMP, 2)
    leave_behind(None)
    assert ada.order("another").json["code"] == "in_progress"

    assert checkout.sweep() == 1

    assert ada.get("/v1/cart").json["items"] == []
    assert ada.order("left").status_code == 201


def test_what_a_customer_adds_while_the_cart_is_ordered_stays(ada, checkout, leave_behind):
    ada.want(LAMP, 2)
    ada.want(RUG, 1)
    leave_behind(None)
    ada.want(LAMP, 5)
    ada.want(12, 1)
    ada.delete(f"/v1/cart/items/{RUG}")

    checkout.sweep()

    items = ada.get("/v1/cart").json["items"]
    assert {item["product_id"]: item["quantity"] for item in items} == {LAMP: 3, 12: 1}


@pytest.mark.parametrize("mood", ["away", "cut", "deaf"])
def test_while_catalog_is_away_an_order_waits(checkout, catalog, ledger, leave_behind, mood):
    leave_behind({LAMP: 1})
    catalog.mood = mood

    assert checkout.sweep() == 0
    assert ledger.statuses() == ["pending"]

    catalog.mood = "well"
    ledger.lapse()
    assert checkout.sweep() == 1
    assert ledger.statuses() == ["confirmed"]
    assert catalog.available(LAMP) == 9


def test_an_order_that_catalog_will_never_hold_is_abandoned(
    ada, checkout, catalog, ledger, leave_behind
):
    leave_behind({LAMP: 1})
    catalog.mood = "odd"

    assert checkout.sweep() == 1

    assert ledger.statuses() == ["rejected"]
    assert ledger.event_types() == ["OrderRejected"]
    catalog.mood = "well"
    assert ada.order("left", (LAMP, 1)).status_code == 201


def test_an_order_on_which_catalog_always_chokes_is_given_up_at_last(
    checkout, catalog, ledger, leave_behind, monkeypatch
):
    monkeypatch.setattr(checkout_module, "MOST_HOLDERS", 3)
    leave_behind({LAMP: 1})
    catalog.mood = "babbling"

    settled = []
    for _ in range(2):
        settled.append(checkout.sweep())
        ledger.lapse()

    assert settled == [0, 1]
    assert ledger.statuses() == ["rejected"]
    assert ledger.event_types() == ["OrderRejected"]


def test_one_order_that_catalog_chokes_on_does_not_stop_the_others_for_ever(
    database, checkout, catalog, ledger, leave_behind
):
    leave_behind({LAMP: 1}, key="first")
    leave_behind({LAMP: 1}, key="second")
    catalog.mood = "babbling"
    assert checkout.sweep() == 0
    catalog.mood = "well"

    assert checkout.sweep() == 1
    assert sorted(ledger.statuses()) == ["confirmed", "pending"]


def test_every_order_left_behind_is_settled_in_one_round(checkout, ledger, leave_behind):
    for number in range(5):
        leave_behind({LAMP: 1}, key=f"left-{number}")

    assert checkout.sweep() == 5
    assert ledger.statuses() == ["confirmed"] * 5


def test_an_order_is_taken_over_by_one_sweep_only(database, leave_behind):
    left = leave_behind({LAMP: 1})

    first = database.run(take_over_lapsed, hold_seconds=60)
    second = database.run(take_over_lapsed, hold_seconds=60)

    assert (first.order_id, first.fence) == (left.order_id, 2)
    assert second is None


def test_a_holder_that_lost_the_order_settles_nothing(database, ledger, leave_behind):
    left = leave_behind({LAMP: 1})
    database.run(take_over_lapsed, hold_seconds=60)

    assert database.run(settle_orders, [abandoned(left)]) == [False]
    assert ledger.statuses() == ["pending"]
    assert ledger.events() == []
