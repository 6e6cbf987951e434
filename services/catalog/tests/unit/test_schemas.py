# SPDX-License-Identifier: Apache-2.0
import pytest
from pydantic import ValidationError

from catalog.commands.reservations import Wish
from catalog.schemas import NewProductIn, ProductChangesIn, ReservationIn, StockChangeIn

GOOD = {"name": "Lamp", "price": "12.50"}


def test_money_comes_in_as_text_or_number_and_is_kept_in_minor_units():
    assert NewProductIn(**GOOD).price == 1250
    assert NewProductIn(name="Lamp", price=12.5).price == 1250
    assert NewProductIn(name="Lamp", price=0).price == 0


@pytest.mark.parametrize(
    "price", [True, None, "", "12.505", 0.005, -1, "-0.01", 1e308, "NaN", "1e3x", [1], {}, 10**15]
)
def test_what_is_no_price_is_refused(price):
    with pytest.raises(ValidationError):
        NewProductIn(name="Lamp", price=price)


@pytest.mark.parametrize("quantity", [True, "1", 1.0, 1.5, -1, 2**31, 2**63, None, [1], {}])
def test_what_is_no_number_of_units_is_refused(quantity):
    with pytest.raises(ValidationError):
        NewProductIn(**GOOD, quantity=quantity)


@pytest.mark.parametrize("sku", ["my", "all", "add", "add-stock", "42", "a/b", "x" * 65])
def test_words_that_our_paths_need_are_no_sku(sku):
    with pytest.raises(ValidationError):
        NewProductIn(**GOOD, sku=sku)


@pytest.mark.parametrize("field", ["id", "user_id", "seller_id", "created_at", "is_admin", "rol"])
def test_fields_that_are_not_the_clients_are_refused(field):
    with pytest.raises(ValidationError):
        NewProductIn(**GOOD, **{field: 1})


def test_a_name_with_a_line_break_or_a_nul_is_refused():
    for name in ("Lamp\nBcc: x", "Lamp\x00", "", "   ", "x" * 513):
        with pytest.raises(ValidationError):
            NewProductIn(name=name, price=1)


def test_a_change_remembers_only_what_was_named():
    assert ProductChangesIn.model_validate({"mark": None}).model_fields_set == {"mark"}


def test_stock_changes_by_a_difference_or_to_a_number_but_not_both():
    assert StockChangeIn.model_validate({"delta": -2}).delta == -2
    assert StockChangeIn.model_validate({"set": 0}).exactly == 0
    for both in ({}, {"delta": 1, "set": 1}, {"delta": 1.0}, {"set": -1}, {"set": "1"}):
        with pytest.raises(ValidationError):
            StockChangeIn.model_validate(both)


@pytest.mark.parametrize("quantity", [0, -1, 2**31, 1.5, "1", True, None])
def test_an_order_can_not_reserve_an_impossible_quantity(quantity):
    with pytest.raises(ValidationError):
        ReservationIn.model_validate({"items": [{"product_id": 1, "quantity": quantity}]})


def test_the_same_wish_is_the_same_text_whatever_its_order():
    one = Wish(lines={1: 2, 3: 4}, prices={3: 100, 1: 50}, total=None)
    other = Wish(lines={3: 4, 1: 2}, prices={1: 50, 3: 100}, total=None)

    assert one.text() == other.text()
    assert one.text() != Wish(lines={1: 2, 3: 5}, prices={}, total=None).text()
