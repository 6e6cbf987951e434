# SPDX-License-Identifier: Apache-2.0
"""Races with real threads on the real database. Each has its negative control."""

from collections import Counter
from threading import Barrier, Thread

import pytest
from catalog_stub import LAMP, RUG
from pending import begin
from sqlalchemy import select

from common.idempotency import Answer, InProgress
from common.problems import Problem
from orders import answers
from orders.catalog import Reservation, ReservedLine
from orders.commands import begin as beginnings
from orders.commands import settle
from orders.commands.begin import take_over_lapsed
from orders.commands.carts import return_cart
from orders.commands.orders import cancel_order, tell_outcome
from orders.commands.settle import abandoned, confirmed, refused
from orders.endings import _standing
from orders.models import CartItem
from orders.schemas import OrderIn


def race(*runners):
    """Runs these at once, each in a thread of its own; gives what they returned or raised."""
    barrier, results = Barrier(len(runners)), [None] * len(runners)

    def run(index, runner):
        barrier.wait()
        try:
            results[index] = runner()
        except Problem as problem:
            results[index] = problem

    threads = [Thread(target=run, args=pair) for pair in enumerate(runners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def ordering(shopper, key, *items):
    customer = shopper()
    return lambda: customer.order(key, *items)


@pytest.fixture
def pending(database, ledger):
    """Makes a pending order of two lamps; gives its first holder's attempt."""

    def make(key="k"):
        wish = OrderIn.model_validate({"items": [{"product": LAMP, "quantity": 2}]})
        return begin(database, {LAMP: 2}, key=key, fingerprint=wish.fingerprint())

    return make


@pytest.fixture
def confirm(database):
    """Confirms an attempt as if catalog had said yes."""

    def run(attempt):
        line = ReservedLine(product_id=LAMP, sku=None, name="Lamp", quantity=2, unit_price=1250)
        said = {"items": [line], "total": 2500, "currency": "USD"}
        order = _standing(attempt, Reservation(order_id=attempt.order_id, **said))
        ending = confirmed(attempt, order, answers.of_order(order))
        [won] = database.run(settle.settle_orders, [ending])
        return won

    return run


@pytest.fixture
def abandon(database):
    return lambda attempt: database.run(settle.settle_orders, [abandoned(attempt)])[0]


def test_one_key_in_many_hands_is_one_order(shopper, catalog, ledger):
    for attempt in range(3):
        found = race(*[ordering(shopper, f"k{attempt}", (LAMP, 1)) for _ in range(16)])

        placed = {answer.data for answer in found if answer.status_code == 201}
        others = {answer.status_code for answer in found} - {201}
        assert len(placed) == 1
        assert others <= {409}
        assert all(
            answer.json["code"] == "in_progress" and "Retry-After" in answer.headers
            for answer in found
            if answer.status_code == 409
        )
    assert ledger.statuses() == ["confirmed"] * 3
    assert catalog.available(LAMP) == 7
    assert ledger.event_types() == ["OrderPlaced"] * 3


def test_many_keys_for_the_last_one_are_one_order(shopper, catalog, ledger):
    found = race(*[ordering(shopper, f"k{number}", (RUG, 1)) for number in range(8)])

    assert Counter(answer.status_code for answer in found) == {201: 1, 409: 7}
    assert Counter(ledger.statuses()) == {"confirmed": 1, "rejected": 7}
    assert catalog.available(RUG) == 0


def test_a_double_click_on_the_cart_is_one_order(shopper, ledger, catalog):
    shopper().want(LAMP, 3)

    found = race(*[ordering(shopper, f"click-{number}") for number in range(6)])

    codes = Counter(answer.json.get("code", answer.json["status"]) for answer in found)
    assert codes.pop("confirmed") == 1
    assert set(codes) <= {"in_progress", "empty_order"}
    assert ledger.statuses() == ["confirmed"]
    assert catalog.available(LAMP) == 7


def test_without_the_carts_mark_two_keys_order_the_same_cart(
    shopper, database, checkout, ledger, catalog, monkeypatch
):
    """The negative control: this is what the mark prevents, and the test above would see it."""

    def take_unmarked(session, *, customer_id, order_id):
        items = session.scalars(select(CartItem).where(CartItem.customer_id == customer_id))
        return {item.product_id: item.quantity for item in items}

    monkeypatch.setattr(beginnings, "take_cart", take_unmarked)
    shopper().want(LAMP, 3)
    for key in ("click-1", "click-2"):
        begin(database, None, key=key)
    ledger.lapse()

    assert checkout.sweep() == 2
    assert ledger.statuses() == ["confirmed"] * 2
    assert catalog.available(LAMP) == 4


def test_of_a_confirmation_and_an_abandonment_exactly_one_happens(
    pending, confirm, abandon, ledger
):
    for number in range(20):
        attempt = pending(f"k{number}")

        won = race(lambda a=attempt: confirm(a), lambda a=attempt: abandon(a))

        assert sorted(won) == [False, True]
        status = ledger.order(attempt.order_id).status
        assert status == ("confirmed" if won[0] else "rejected")
        told = [kind for kind, data in ledger.events() if data["order_id"] == str(attempt.order_id)]
        assert told == ["OrderPlaced" if won[0] else "OrderRejected"]


def test_without_the_condition_both_would_happen(pending, confirm, abandon, ledger, monkeypatch):
    """The negative control: a settlement that does not look is told twice."""
    looking = settle._settle

    def settle_blindly(session, settlements):
        looking(session, settlements)
        return len(settlements)

    monkeypatch.setattr(settle, "_settle", settle_blindly)
    attempt = pending()

    race(lambda: confirm(attempt), lambda: abandon(attempt))

    assert sorted(ledger.event_types()) == ["OrderPlaced", "OrderRejected"]


def test_a_holder_that_was_taken_over_does_not_finish_too(database, pending, confirm, ledger):
    for number in range(20):
        first = pending(f"k{number}")
        ledger.lapse()
        second = database.run(take_over_lapsed, hold_seconds=60)

        won = race(lambda a=first: confirm(a), lambda a=second: confirm(a))

        assert won == [False, True]
    assert ledger.event_types() == ["OrderPlaced"] * 20


def test_of_many_sweeps_each_order_is_taken_by_one(database, pending, ledger):
    expected = {pending(f"k{number}").order_id for number in range(8)}
    ledger.lapse()

    def take():
        return database.run(take_over_lapsed, hold_seconds=60)

    # A sweep that finds every order locked by others takes none; the next round has them.
    taken = []
    for _ in range(8):
        taken += [attempt.order_id for attempt in race(*[take] * 4) if attempt is not None]

    assert len(taken) == len(set(taken))
    assert set(taken) == expected


def test_a_retry_and_a_sweep_settle_an_order_once(shopper, pending, checkout, catalog, ledger):
    for number in range(5):
        catalog.products[LAMP]["available"] = 10
        attempt = pending(f"k{number}")
        ledger.lapse()

        answer, _ = race(ordering(shopper, f"k{number}", (LAMP, 2)), checkout.sweep)

        assert answer.status_code in {201, 409}
        assert ledger.order(attempt.order_id).status == "confirmed"
        assert catalog.available(LAMP) == 8
    assert ledger.event_types() == ["OrderPlaced"] * 5


def test_of_many_cancellations_one_is_told(shopper, ledger):
    order_id = shopper().order("k", (LAMP, 2)).json["id"]
    customers = [shopper() for _ in range(8)]

    found = race(*[lambda c=c: c.post(f"/v1/orders/{order_id}/cancel") for c in customers])

    assert {answer.status_code for answer in found} == {200}
    assert ledger.event_types() == ["OrderPlaced", "OrderCancelled"]


def test_a_cancellation_beside_a_confirmation_waits_or_wins_after_it(
    database, pending, confirm, ledger
):
    for number in range(10):
        attempt = pending(f"k{number}")

        def cancel(order_id=attempt.order_id):
            return database.run(cancel_order, order_id=order_id, customer_id=1)

        confirmed, cancelled = race(lambda a=attempt: confirm(a), cancel)

        assert confirmed is True
        told = [kind for kind, data in ledger.events() if data["order_id"] == str(attempt.order_id)]
        if isinstance(cancelled, InProgress):
            assert told == ["OrderPlaced"]
        else:
            assert told == ["OrderPlaced", "OrderCancelled"]


def test_an_overdue_reservation_beside_a_confirmation_never_rejects_it(
    database, pending, confirm, ledger
):
    for number in range(10):
        attempt = pending(f"k{number}")

        def tell(order_id=attempt.order_id):
            return database.run(tell_outcome, order_id=order_id)

        race(lambda a=attempt: confirm(a), tell)

        assert ledger.order(attempt.order_id).status == "confirmed"
    assert set(ledger.event_types()) == {"OrderPlaced"}


def test_a_cart_changed_while_it_is_returned_loses_nothing(database, shopper, pending):
    customer = shopper()
    customer.want(LAMP, 2)
    order_id = begin(database, None, key="cart").order_id

    race(
        lambda: database.run(return_cart, customer_id=1, order_id=order_id, taken={LAMP: 2}),
        lambda: customer.want(RUG, 1),
    )

    cart = customer.get("/v1/cart").json
    assert [item["product_id"] for item in cart["items"]] == [RUG]
    assert cart["version"] == 3


def test_an_answer_is_stored_only_with_the_settlement(database, pending, ledger):
    attempt = pending()
    ledger.lapse()
    database.run(take_over_lapsed, hold_seconds=60)
    late = Answer(status=409, body=b"{}")

    ending = refused(attempt, reason="insufficient_stock", answer=late)

    assert database.run(settle.settle_orders, [ending]) == [False]
    assert ledger.statuses() == ["pending"]
