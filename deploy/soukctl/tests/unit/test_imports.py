# SPDX-License-Identifier: Apache-2.0
"""Each row is checked by the rules of ``/v1``, and what is wrong is named with its row."""

from soukctl.imports import Reading, Tally
from soukctl.sheets import Row


def read(*fields, from_text=True):
    reading = Reading(from_text=from_text, tally=Tally())
    rows = (Row(number=number, fields=one) for number, one in enumerate(fields, start=2))
    return list(reading.products(rows)), reading


GOOD = {"sku": "lamp", "name": "Lamp", "price": "12.50", "quantity": "3"}


def test_text_becomes_money_and_numbers():
    [lamp], reading = read(GOOD)

    assert (lamp.sku, lamp.price, lamp.quantity, lamp.low_stock_at) == ("lamp", 1250, 3, None)
    assert reading.faults == []


def test_json_is_taken_as_v1_takes_it():
    [lamp], _ = read(GOOD | {"price": 12.5, "quantity": 3}, from_text=False)
    none, reading = read(GOOD, from_text=False)

    assert (lamp.price, lamp.quantity) == (1250, 3)
    assert none == []
    assert reading.faults[0].field == "quantity"


def test_every_fault_of_a_row_is_named_and_good_rows_go_on():
    found, reading = read(
        {"sku": "a b", "price": "12,50", "quantity": "-1", "colour": "red"},
        GOOD,
        {"name": "Nameless"},
    )

    assert [one.sku for one in found] == ["lamp"]
    assert {(fault.row, fault.field) for fault in reading.faults} == {
        *((2, "sku"), (2, "name"), (2, "price"), (2, "quantity"), (2, "colour")),
        *((4, "sku"), (4, "price")),
    }
    assert all(fault.fault and "Value error" not in fault.fault for fault in reading.faults)
    assert (reading.tally.rows, reading.tally.faulty) == (3, 2)


def test_a_sku_that_comes_twice_is_a_fault_of_the_second_row():
    found, reading = read(GOOD, GOOD | {"name": "Another"})

    assert [one.name for one in found] == ["Lamp"]
    [fault] = reading.faults
    assert (fault.row, fault.sku, fault.fault) == (3, "lamp", "is in row 2 already")


def test_an_unreadable_row_is_faulty():
    reading = Reading(from_text=True, tally=Tally())

    assert list(reading.products([Row(number=7, fields=None, fault="is no JSON")])) == []
    assert [(fault.row, fault.fault) for fault in reading.faults] == [(7, "is no JSON")]
