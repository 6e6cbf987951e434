# SPDX-License-Identifier: Apache-2.0
import pytest

from catalog.errors import BelowReserved
from catalog.models import SKU, Stock, new_public_id


def test_a_public_id_is_twelve_letters_and_digits_and_never_a_number():
    ids = {new_public_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert all(len(name) == 12 and name.isalnum() and name.islower() for name in ids)
    assert not any(name.isdigit() for name in ids)


def test_stock_can_not_be_corrected_below_what_orders_were_promised():
    stock = Stock(product_id=1, on_hand=5, reserved=3, version=1)

    with pytest.raises(BelowReserved):
        stock.correct(2)

    assert (stock.on_hand, stock.version) == (5, 1)


def test_correcting_stock_tells_the_difference_and_makes_a_new_version():
    stock = Stock(product_id=1, on_hand=5, reserved=3, version=1)

    assert stock.correct(9) == 4
    assert (stock.on_hand, stock.available, stock.version) == (9, 6, 2)


@pytest.mark.parametrize("sku", ["a/b", "", "-a", "a b", "a?b", "ä", "a" * 65])
def test_a_sku_that_no_path_can_carry_is_none(sku):
    assert SKU.fullmatch(sku) is None
