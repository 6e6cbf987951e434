# SPDX-License-Identifier: Apache-2.0
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from common.money import MOST, Amount, to_minor, to_number, to_text

AMOUNTS = st.integers(0, MOST)


class Priced(BaseModel):
    price: Amount


@given(AMOUNTS)
def test_text_comes_back_as_the_same_amount(minor):
    assert to_minor(to_text(minor)) == minor


@given(AMOUNTS)
def test_a_number_comes_back_as_the_same_amount(minor):
    assert to_minor(to_number(minor)) == minor


@given(st.integers(-MOST, MOST))
def test_text_is_exact(minor):
    assert Decimal(to_text(minor)) * 100 == minor
    assert to_text(minor)[-3] == "."


@given(st.integers(0, MOST // 100 - 1), st.integers(0, 99))
def test_no_amount_suffers_from_being_a_float(units, cents):
    assert to_minor(float(f"{units}.{cents:02d}")) == units * 100 + cents


@given(st.integers(0, 10**9), st.integers(1, 9), st.integers(0, 40))
def test_a_third_decimal_is_refused_however_far_behind(units, digit, zeros):
    with pytest.raises(ValueError):
        to_minor(f"{units}.00{'0' * zeros}{digit}")


@given(st.text())
def test_any_text_is_money_or_refused_and_nothing_else(text):
    try:
        assert 0 <= to_minor(text) <= MOST
    except ValueError:
        return


@given(st.floats())
def test_any_float_is_money_or_refused_and_nothing_else(number):
    try:
        assert to_minor(number) == round(number * 100)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("written", "minor"),
    [
        ("12.50", 1250),
        ("12.5", 1250),
        ("12", 1200),
        ("0", 0),
        ("0.01", 1),
        (0.1, 10),
        (0.29, 29),
        (1.1, 110),
        (12, 1200),
        (10000000000, MOST),
    ],
)
def test_money_is_read(written, minor):
    assert to_minor(written) == minor


@pytest.mark.parametrize(
    "wrong",
    [
        True,
        False,
        None,
        [1],
        {},
        b"1",
        Decimal(1),
        "",
        " ",
        "abc",
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
        float("nan"),
        float("inf"),
        "-0.01",
        -1,
        "0.001",
        0.001,
        1e-300,
        "1.00000000000000000000000000000000001",
        "1e3",
        "1e999999",
        "1e999999999999999999",
        "9" * 5000,
        pytest.param(10**5000, id="an integer of 5001 digits"),
        "1_000",
        "1,50",
        "١٢",
        "\uff11",
        "12.50 USD",
        "10000000000.01",
        10000000001,
        1e308,
    ],
)
def test_what_is_no_money_is_refused_in_a_sentence_without_the_value(wrong):
    with pytest.raises(ValidationError) as caught:
        Priced.model_validate({"price": wrong})

    assert caught.value.errors()[0]["msg"].startswith("Value error, must ")


@pytest.mark.parametrize(
    ("minor", "text"), [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (MOST, "10000000000.00")]
)
def test_money_is_shown_as_text(minor, text):
    assert to_text(minor) == text


def test_money_on_the_seeds_surfaces_is_a_number():
    assert to_number(1250) == 12.5
    assert to_number(1200) == 12
    assert isinstance(to_number(1200), int)


def test_the_schema_tells_both_ways_to_write_it():
    described = Priced.model_json_schema()["properties"]["price"]

    assert [way["type"] for way in described["anyOf"]] == ["string", "number"]
