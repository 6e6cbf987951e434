# SPDX-License-Identifier: Apache-2.0
"""S3's double click: two requests, one order, and both are told."""

import sys
from threading import Event

import pytest
from catalog_stub import LAMP
from s3_client import add, at_once, click, keyed
from sqlalchemy import func, select

from common.idempotency import idempotency_keys
from common.testing import eventually
from orders import checkout as checkouts
from orders.models import CartItem


def clicking(shopper, key=None):
    customer = shopper()
    return lambda: keyed(customer, key) if key else click(customer)


@pytest.fixture
def clicks(catalog, shopper, checkout, monkeypatch):
    """Clicks once, and again while catalog still thinks; gives the answers, the first one first.

    Each key is one click's own, None for a click without. *meanwhile* happens before catalog
    decides.
    """
    waiting = []
    wait_for = checkout._wait_for

    def wait(other):
        waiting.append(other)
        return wait_for(other)

    monkeypatch.setattr(checkout, "_wait_for", wait)

    def run(first, *others, meanwhile=lambda: None):
        add(shopper(), LAMP, 2)
        catalog.gate.clear()

        def let_go():
            eventually(lambda: len(waiting) == len(others), what="the other clicks")
            meanwhile()
            catalog.gate.set()

        def follow(key):
            call = clicking(shopper, key)

            def go():
                eventually(lambda: catalog.waiting, what="the reserve command")
                return call()

            return go

        found = at_once(clicking(shopper, first), let_go, *[follow(key) for key in others])
        return [found[0], *found[2:]]

    return run


def test_s3_a_double_click_is_one_order_and_both_are_told(clicks, shopper, catalog, ledger):
    placed, *others = clicks(None, None, None)

    assert placed.status_code == 201
    assert {(answer.status_code, answer.data) for answer in others} == {(201, placed.data)}
    assert {answer.headers.get("Idempotent-Replayed") for answer in others} == {"true"}
    assert ledger.statuses() == ["confirmed"]
    assert catalog.available(LAMP) == 8
    assert click(shopper()).json["code"] == "empty_order"


def test_s3_clicks_at_once_are_one_order(shopper, catalog, ledger):
    for left in (9, 8, 7):
        add(shopper(), LAMP)

        found = at_once(*[clicking(shopper) for _ in range(6)])

        # Who comes when all is done finds an empty cart.
        assert {answer.status_code for answer in found} <= {201, 422}
        assert len({answer.json["order_id"] for answer in found if answer.status_code == 201}) == 1
        assert catalog.available(LAMP) == left
    assert ledger.statuses() == ["confirmed"] * 3


def test_s3_a_double_click_with_one_key_is_one_order(clicks, ledger):
    one, other = clicks("k", "k")

    assert (one.status_code, one.data) == (other.status_code, other.data)
    assert ledger.statuses() == ["confirmed"]


def test_s3_the_second_clicks_own_key_is_that_order_too(clicks, shopper, ledger):
    placed, other = clicks("one", "two")
    add(shopper(), LAMP)

    again = keyed(shopper(), "two")

    assert placed.data == other.data == again.data
    assert again.headers["Idempotent-Replayed"] == "true"
    assert ledger.statuses() == ["confirmed"]


def test_s3_a_double_click_is_refused_twice(clicks, shopper, catalog, ledger):
    catalog.products[LAMP]["available"] = 1

    one, other = clicks(None, None)

    assert one.status_code == 409
    assert (other.status_code, other.data) == (409, one.data)
    assert ledger.statuses() == ["rejected"]
    catalog.products[LAMP]["available"] = 2
    assert click(shopper()).status_code == 201


def test_s3_a_double_click_while_catalog_goes_away_is_a_502_twice(clicks, catalog, ledger):
    def go_away():
        catalog.mood = "away"

    answers = clicks(None, None, meanwhile=go_away)

    assert [answer.status_code for answer in answers] == [502, 502]
    assert ledger.statuses() == ["rejected"]


def test_s3_a_click_does_not_wait_for_ever(clicks, checkout, monkeypatch):
    monkeypatch.setattr(checkouts, "PAUSES", (0.01, 0.02))
    given_up, wait_for = Event(), checkout._wait_for

    def wait(other):
        try:
            return wait_for(other)
        finally:
            given_up.set()

    monkeypatch.setattr(checkout, "_wait_for", wait)

    placed, other = clicks(None, None, meanwhile=lambda: given_up.wait(10))

    assert (other.status_code, other.json["code"]) == (409, "in_progress")
    assert other.headers["Retry-After"] == "1"
    assert placed.status_code == 201


def test_s3_pauses_grow_to_three_seconds():
    assert sum(checkouts.PAUSES) == pytest.approx(3)
    assert list(checkouts.PAUSES) == sorted(checkouts.PAUSES)


def test_s3_an_order_whose_process_died_is_settled_by_the_sweep(
    ada, database, checkout, ledger, monkeypatch
):
    """The customer who clicks again meanwhile is told to wait, and finds one order at the end."""
    monkeypatch.setattr(checkouts, "PAUSES", (0.01,))
    add(ada, LAMP)
    with monkeypatch.context() as dying:
        dying.setattr(checkout._endings, "_reserve_all", lambda _held: sys.exit())
        with pytest.raises(SystemExit):
            click(ada)
    assert click(ada).json["code"] == "in_progress"
    ledger.lapse()

    assert checkout.sweep() == 1

    assert ledger.statuses() == ["confirmed"]
    assert click(ada).json["code"] == "empty_order"
    with database.sessions() as session:
        assert session.scalars(select(func.count()).select_from(idempotency_keys)).one() == 1
        assert session.scalars(select(func.count()).select_from(CartItem)).one() == 0
