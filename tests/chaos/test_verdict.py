# SPDX-License-Identifier: Apache-2.0
"""The verdict's control: a run in which all is well, and each lie about it is found."""

from collections import Counter
from dataclasses import replace

import pytest
from chaos.observation import Observation, Stage, StoredOrder, view_key
from chaos.verdict import CHECKS, Evidence, faults_in

from support.history import FAIL, INFO, OK, History

LAMP, CUP = 1, 2
ADA = 7
ADMINS = ("a@shop.example", "b@shop.example")
SOLD, BACK = "0000-sold", "0000-back"
NEWS = "0000-news"
SEEN, LAST_WORD = f"{1:032x}", f"{2:032x}"
KILLED_AT = 500.0


def lines(units, price=1000):
    return {LAMP: (units, price)}


def stored(units, status, key):
    return StoredOrder(customer=ADA, key=key, status=status, total=units * 1000, lines=lines(units))


@pytest.fixture
def history():
    """Ada bought two lamps, took one back, was refused ninety; a price changed; two looks."""
    history = History()
    for order_id, units, key in ((SOLD, 2, "k1"), (BACK, 1, "k2")):
        wish = {"key": key, "customer": ADA, "lines": {LAMP: units}}
        answer = {"id": order_id, "lines": lines(units), "total": units * 1000}
        history.add("order", wish, OK, answer, began_at=0.0)
    wish = {"key": "k3", "customer": ADA, "lines": {LAMP: 90}}
    no = {"status": 409, "code": "insufficient_stock"}
    history.add("order", wish, FAIL, no, began_at=0.0)
    history.add("cancel", {"id": BACK}, OK, {}, began_at=0.0)
    history.add("price", {"product": CUP, "price": 1001}, OK, {}, began_at=0.0)
    history.add("view", {"product": LAMP}, OK, {"request_id": SEEN, "available": 3}, began_at=0.0)
    return history


@pytest.fixture
def evidence(history):
    shop = Observation(
        stock={LAMP: (3, 0), CUP: (4, 0)},
        ledger={(SOLD, LAMP): [-2], (BACK, LAMP): [-1, 1]},
        orders={SOLD: stored(2, "confirmed", "k1"), BACK: stored(1, "cancelled", "k2")},
        sales={SOLD: [(LAMP, 2, 1000, "placed")], BACK: [(LAMP, 1, 1000, "cancelled")]},
        new_prices=((CUP, 1001, NEWS),),
        mails={address: Counter({NEWS: 1}) for address in ADMINS},
        views=Counter({view_key(SEEN): 1}),
    )
    stage = Stage(
        units={LAMP: 5, CUP: 4},
        prices={LAMP: 1000, CUP: 1000},
        customers=(ADA,),
        admins=ADMINS,
        began_at=0.0,
    )
    return Evidence(stage=stage, history=history, shop=shop, gateway_kills=(KILLED_AT,))


def wrong(evidence):
    """The names of the checks that found something."""
    return {fault.split(":")[0] for fault in faults_in(evidence)}


def but(evidence, **other):
    """The same run in a shop that knows something else."""
    return replace(evidence, shop=replace(evidence.shop, **other))


def test_a_run_in_which_all_is_well_has_no_faults(evidence):
    assert faults_in(evidence) == []


def test_a_cancellation_that_overtook_the_sale_is_well_too(evidence):
    assert wrong(but(evidence, ledger={(SOLD, LAMP): [-2]})) == set()


FORGERIES = {
    "a unit too many on the shelf": (
        {"stock": {LAMP: (4, 0), CUP: (4, 0)}},
        {"nothing_is_undersold"},
    ),
    "a unit held for nobody": ({"stock": {LAMP: (3, 1), CUP: (4, 0)}}, {"nothing_is_undersold"}),
    "an order is gone": (
        {"orders": {BACK: stored(1, "cancelled", "k2")}, "stock": {LAMP: (5, 0), CUP: (4, 0)}},
        {"acknowledged_orders_are_there", "effects_happen_once"},
    ),
    "an order has other units": (
        {"orders": {SOLD: stored(3, "confirmed", "k1"), BACK: stored(1, "cancelled", "k2")}},
        {"acknowledged_orders_are_there", "nothing_is_undersold", "effects_happen_once"},
    ),
    "a cancellation is forgotten": (
        {"orders": {SOLD: stored(2, "confirmed", "k1"), BACK: stored(1, "confirmed", "k2")}},
        {"acknowledged_orders_are_there", "nothing_is_undersold", "effects_happen_once"},
    ),
    "two orders of one key": (
        {
            "orders": {
                SOLD: stored(2, "confirmed", "k1"),
                BACK: stored(1, "cancelled", "k2"),
                "twin": stored(2, "confirmed", "k1"),
            },
            "stock": {LAMP: (1, 0), CUP: (4, 0)},
            "ledger": {(SOLD, LAMP): [-2], (BACK, LAMP): [], ("twin", LAMP): [-2]},
            "sales": {
                SOLD: [(LAMP, 2, 1000, "placed")],
                BACK: [(LAMP, 1, 1000, "cancelled")],
                "twin": [(LAMP, 2, 1000, "placed")],
            },
        },
        {"one_key_is_one_order"},
    ),
    "sold twice in the ledger": (
        {"ledger": {(SOLD, LAMP): [-2, -2], (BACK, LAMP): []}},
        {"effects_happen_once"},
    ),
    "put back twice": (
        {"ledger": {(SOLD, LAMP): [-2], (BACK, LAMP): [-1, 1, 1]}},
        {"effects_happen_once"},
    ),
    "not in the ledger": ({"ledger": {(BACK, LAMP): []}}, {"effects_happen_once"}),
    "not in the numbers": (
        {"sales": {BACK: [(LAMP, 1, 1000, "cancelled")]}},
        {"effects_happen_once"},
    ),
    "twice in the numbers": (
        {
            "sales": {
                SOLD: [(LAMP, 2, 1000, "placed")] * 2,
                BACK: [(LAMP, 1, 1000, "cancelled")],
            }
        },
        {"effects_happen_once"},
    ),
    "a price that nobody was told of": (
        {"new_prices": (), "mails": {address: Counter() for address in ADMINS}},
        {"new_prices_are_told_once"},
    ),
    "a price that was told twice": (
        {
            "new_prices": ((CUP, 1001, NEWS), (CUP, 1001, "again")),
            "mails": {address: Counter({NEWS: 1, "again": 1}) for address in ADMINS},
        },
        {"new_prices_are_told_once"},
    ),
    "a price that nobody asked for": (
        {
            "new_prices": ((CUP, 1001, NEWS), (CUP, 900, "odd")),
            "mails": {address: Counter({NEWS: 1, "odd": 1}) for address in ADMINS},
        },
        {"new_prices_are_told_once"},
    ),
    "one admin has no mail": (
        {"mails": {ADMINS[0]: Counter({NEWS: 1}), ADMINS[1]: Counter()}},
        {"new_prices_are_mailed_once"},
    ),
    "one admin has two mails": (
        {"mails": {ADMINS[0]: Counter({NEWS: 2}), ADMINS[1]: Counter({NEWS: 1})}},
        {"new_prices_are_mailed_once"},
    ),
    "a look is not counted": ({"views": Counter()}, {"views_are_counted_once"}),
    "a look is counted twice": (
        {"views": Counter({view_key(SEEN): 2})},
        {"views_are_counted_once"},
    ),
    "a look that nobody took": (
        {"views": Counter({view_key(SEEN): 1, 77: 1})},
        {"views_are_counted_once"},
    ),
    "the audit has found something": (
        {"broken": ("shop.x: order/1",)},
        {"the_audit_finds_nothing"},
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_shop_is_found(evidence, forgery):
    other, found = FORGERIES[forgery]

    assert wrong(but(evidence, **other)) == found


def test_more_sold_than_there_was_is_found(evidence):
    stage = replace(evidence.stage, units={LAMP: 1, CUP: 4})

    assert "nothing_is_oversold" in wrong(replace(evidence, stage=stage))


@pytest.mark.parametrize("available", [-1, 6])
def test_a_number_that_can_not_be_is_found(evidence, history, available):
    answer = {"request_id": SEEN, "available": available}
    history.add("view", {"product": LAMP}, OK, answer, began_at=0.0)

    assert "nothing_is_oversold" in wrong(evidence)


@pytest.mark.parametrize(
    ("wish", "outcome", "answer"),
    [
        ({"key": "k9"}, INFO, {}),
        ({"key": "k9"}, FAIL, {"status": 500, "code": "internal"}),
        ({"key": "k9"}, FAIL, {"status": 401, "code": "token_invalid"}),
    ],
)
def test_who_got_no_answer_or_the_wrong_one_is_found(evidence, history, wish, outcome, answer):
    history.add("order", wish, outcome, answer, began_at=0.0)

    assert wrong(evidence) == {"everybody_got_a_verdict"}


@pytest.mark.parametrize(
    ("units", "price", "total"), [(3, 1000, 3000), (2, 999, 1998), (2, 1000, 1999)]
)
def test_an_order_that_is_not_what_was_asked_for_is_found(evidence, history, units, price, total):
    wish = {"key": "k9", "customer": ADA, "lines": {LAMP: 2}}
    answer = {"id": "odd", "lines": lines(units, price), "total": total}
    history.add("order", wish, OK, answer, began_at=0.0)

    assert "orders_are_what_was_asked_for" in wrong(evidence)


def test_one_order_for_two_wishes_is_found(evidence, history):
    twin = next(history.of("order", OK))
    history.add("order", twin.wish | {"key": "k9"}, OK, twin.answer, began_at=0.0)

    assert wrong(evidence) == {"one_key_is_one_order"}


def test_an_order_that_nobody_was_told_of_is_found_unless_somebody_still_asks(evidence, history):
    ghost = {"ghost": stored(1, "cancelled", "k9")}
    haunted = but(
        evidence,
        orders=evidence.shop.orders | ghost,
        sales=evidence.shop.sales | {"ghost": [(LAMP, 1, 1000, "cancelled")]},
    )
    assert wrong(haunted) == {"one_key_is_one_order"}

    history.add("order", {"key": "k9"}, INFO, {}, began_at=0.0)
    assert wrong(haunted) == {"everybody_got_a_verdict"}


@pytest.mark.parametrize("trace", ["ledger", "sales"])
def test_what_a_lost_order_left_behind_is_found(evidence, trace):
    left = {"ledger": {("gone", LAMP): [-1]}, "sales": {"gone": [(LAMP, 1, 1000, "placed")]}}
    known = getattr(evidence.shop, trace)

    assert wrong(but(evidence, **{trace: known | left[trace]})) == {"effects_happen_once"}


@pytest.mark.parametrize(("after_the_look", "is_fault"), [(0.1, False), (1.0, True)])
def test_only_the_last_words_of_a_killed_gateway_may_be_uncounted(
    evidence, history, after_the_look, is_fault
):
    answer = {"request_id": LAST_WORD, "available": 3}
    look = history.add("view", {"product": LAMP}, OK, answer, began_at=0.0)
    killed = replace(evidence, gateway_kills=(look.ended_at + after_the_look,))

    assert wrong(killed) == ({"views_are_counted_once"} if is_fault else set())


def test_every_check_has_a_forgery_here():
    """A check that can't fail proves nothing."""
    found = set().union(*(names for _, names in FORGERIES.values()))
    elsewhere = {
        "everybody_got_a_verdict",
        "nothing_is_oversold",
        "orders_are_what_was_asked_for",
    }

    assert found | elsewhere == {check.__name__ for check in CHECKS}
