# SPDX-License-Identifier: Apache-2.0
import pytest
from pydantic import ValidationError

from common.schemas import MOST_UNITS, Line, Page, Query, Schema, Shown, Text, Units


class Parcel(Schema):
    name: Line
    note: Text = ""
    units: Units = 1


class Filters(Query):
    in_stock: bool = False
    least: int = 0


def test_a_body_is_read():
    parcel = Parcel.model_validate({"name": "  Lamp ", "note": "two\nlines", "units": 3})

    assert (parcel.name, parcel.note, parcel.units) == ("Lamp", "two\nlines", 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"name": "Lamp", "color": "red"},
        {"name": 1},
        {"name": None},
        {"name": "Lamp", "units": True},
        {"name": "Lamp", "units": "1"},
        {"name": "Lamp", "units": 1.0},
        {"name": "Lamp", "units": -1},
        {"name": "Lamp", "units": MOST_UNITS + 1},
        {"name": "Lamp\nBcc: everybody"},
        {"name": "La\rmp"},
        {"name": "La\tmp"},
        {"name": "La\x00mp"},
        {"name": "La\u2028mp"},
        {"name": "Lamp", "note": "bell\x07"},
        {"name": "Lamp", "note": "delete\x7f"},
        [],
        "Lamp",
    ],
)
def test_a_wrong_body_is_refused(wrong):
    with pytest.raises(ValidationError):
        Parcel.model_validate(wrong)


def test_query_parameters_are_text_and_read_as_what_they_mean():
    filters = Filters.model_validate({"in_stock": "true", "least": "5"})

    assert (filters.in_stock, filters.least) == (True, 5)


@pytest.mark.parametrize("wrong", [{"least": "five"}, {"lesat": "5"}, {"in_stock": "perhaps"}])
def test_wrong_query_parameters_are_refused(wrong):
    with pytest.raises(ValidationError):
        Filters.model_validate(wrong)


def test_a_page_is_fifty_items_unless_asked_otherwise_and_two_hundred_at_most():
    assert Page().limit == 50
    assert Page.model_validate({"limit": "200"}).limit == 200
    for wrong in ("0", "-1", "201", "1.5", "", "1" * 400):
        with pytest.raises(ValidationError):
            Page.model_validate({"limit": wrong})
    with pytest.raises(ValidationError):
        Page(cursor="x" * 501)


def test_an_answer_is_made_from_a_rows_attributes():
    class Row:
        name = "Lamp"
        secret = "hidden"

    class ProductOut(Shown):
        name: str

    assert ProductOut.model_validate(Row()).model_dump() == {"name": "Lamp"}
