# SPDX-License-Identifier: Apache-2.0
"""Tables in files: what is read, what is refused with which row, and what a spreadsheet gets."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soukctl.sheets import (
    CSVWriter,
    Row,
    csv_rows,
    guarded,
    ndjson_rows,
    unguarded,
    whole_file,
)
from soukctl.shop import Refused

COLUMNS = ("sku", "name", "price")


def rows_of(text):
    return list(csv_rows(io.StringIO(text, newline=""), COLUMNS, needed=("sku",)))


def test_rows_are_counted_as_a_spreadsheet_counts_them():
    text = 'name,sku\r\n"two\nlines",a\r\nLamp,b\r\n'

    assert rows_of(text) == [
        Row(number=2, fields={"name": "two\nlines", "sku": "a"}),
        Row(number=3, fields={"name": "Lamp", "sku": "b"}),
    ]


def test_empty_cells_say_nothing_and_empty_rows_are_none():
    assert rows_of("sku,name\na,\n\n,\nb,Lamp\n") == [
        Row(number=2, fields={"sku": "a"}),
        Row(number=5, fields={"sku": "b", "name": "Lamp"}),
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("sku,nmae\n", "Unknown columns: nmae"),
        ("name,price\n", "missing: sku"),
        ("sku,sku\n", "twice: sku"),
        ("", "missing: sku"),
    ],
)
def test_a_file_with_other_columns_is_refused_as_a_whole(text, fault):
    with pytest.raises(Refused, match=fault):
        rows_of(text)


def test_a_row_of_another_width_is_named_and_the_next_one_is_read():
    wrong, right = rows_of("sku,name\na,b,c\nd,e\n")

    assert (wrong.number, wrong.fields, wrong.fault) == (2, None, "has 3 cells instead of 2")
    assert right == Row(number=3, fields={"sku": "d", "name": "e"})


def test_a_quote_that_never_ends_is_named():
    *_, last = rows_of('sku\na\n"b\nc\n')

    assert last.number == 3
    assert "is no CSV" in last.fault


def test_lines_of_json_are_read_each_for_itself():
    found = list(ndjson_rows(['{"sku": "a"}\n', "\n", "[1]\n", "{\n", '{"sku": "b"}']))

    assert [(row.number, row.fields) for row in found] == [
        (1, {"sku": "a"}),
        (3, None),
        (4, None),
        (5, {"sku": "b"}),
    ]
    assert found[1].fault == "is no JSON object"
    assert "is no JSON:" in found[2].fault


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx", "'=1"])
def test_no_spreadsheet_computes_what_was_written(cell):
    assert guarded(cell) == "'" + cell


@given(st.text())
def test_a_guarded_cell_is_read_as_what_it_was(cell):
    assert unguarded(guarded(cell)) == cell


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1))
def test_what_is_written_is_read(names):
    file = io.StringIO(newline="")
    writer = CSVWriter(file, COLUMNS)
    for number, name in enumerate(names):
        writer.write({"sku": f"s{number}", "name": name, "price": None})
    file.seek(0)

    found = [row.fields for row in csv_rows(file, COLUMNS, needed=("sku",))]

    assert [fields.get("name", "") for fields in found] == names


def test_a_file_that_is_not_complete_is_not_there(tmp_path):
    def write_half():
        with whole_file(tmp_path / "products.csv") as file:
            file.write("half")
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write_half()

    assert list(tmp_path.iterdir()) == []
