# SPDX-License-Identifier: Apache-2.0
"""Tables in files: CSV for spreadsheets, and NDJSON, one JSON object a line, for programs."""

import csv
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

import orjson

from soukctl.shop import Refused

FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a cell begins that a spreadsheet would compute, or one that was kept from it."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a file.

    Attributes:
        number: As a spreadsheet counts: the line of names is 1. Of NDJSON the line.
        fields: What the row says; a CSV's empty cells say nothing. None for an unreadable row.
        fault: Why it is unreadable.
    """

    number: int
    fields: dict[str, Any] | None
    fault: str = ""


class Writer(Protocol):
    def write(self, record: Mapping[str, Any]) -> None: ...


def is_csv(path: Path) -> bool:
    """Whether a file's name says CSV; the other format is NDJSON.

    Raises:
        Refused: It says neither.
    """
    if path.suffix not in {".csv", ".ndjson", ".jsonl"}:
        raise Refused(f"{path} should be called .csv, .ndjson or .jsonl, as it is one.")
    return path.suffix == ".csv"


def csv_rows(file: TextIO, known: Sequence[str], *, needed: Sequence[str]) -> Iterator[Row]:
    """The rows of a CSV file, whose first line names the columns in any order.

    Raises:
        Refused: It has a column that nobody knows, or lacks one.
    """
    reader = csv.reader(file, strict=True)
    names = next(reader, [])
    if strange := [name for name in names if name not in known]:
        raise Refused(f"Unknown columns: {', '.join(strange)}. Known are {', '.join(known)}.")
    if twice := [name for name in known if names.count(name) > 1]:
        raise Refused(f"Columns that are there twice: {', '.join(twice)}.")
    if missing := [name for name in needed if name not in names]:
        raise Refused(f"The first line must name the columns; missing: {', '.join(missing)}.")
    number = 1
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # Where the next row begins is not known any more.
            yield Row(number=number, fields=None, fault=f"is no CSV, and ends the reading: {error}")
            return
        if len(cells) not in {0, len(names)}:
            fault = f"has {len(cells)} cells instead of {len(names)}"
            yield Row(number=number, fields=None, fault=fault)
        elif any(cells):
            pairs = zip(names, cells, strict=True)
            yield Row(number=number, fields={name: unguarded(cell) for name, cell in pairs if cell})


def ndjson_rows(lines: Iterable[str]) -> Iterator[Row]:
    """The objects of an NDJSON file; empty lines are none."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            fields = orjson.loads(line)
        except ValueError as error:
            yield Row(number=number, fields=None, fault=f"is no JSON: {error}")
            continue
        if isinstance(fields, dict):
            yield Row(number=number, fields=fields)
        else:
            yield Row(number=number, fields=None, fault="is no JSON object")


class CSVWriter:
    """Writes the named columns, with a line of names first."""

    def __init__(self, file: TextIO, columns: Sequence[str]) -> None:
        self._writer = csv.writer(file)
        self._columns = columns
        self._writer.writerow(columns)

    def write(self, record: Mapping[str, Any]) -> None:
        self._writer.writerow([guarded(record[name]) for name in self._columns])


class NDJSONWriter:
    """Writes each record as one line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, record: Mapping[str, Any]) -> None:
        self._file.write(orjson.dumps(dict(record)).decode() + "\n")


@contextmanager
def whole_file(path: Path | None) -> Iterator[TextIO]:
    """The file to write, there under its name only once it is complete; None is standard output."""
    if path is None:
        yield sys.stdout
        return
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def guarded(cell: Any) -> Any:
    """*cell* so that no spreadsheet takes it for a formula: with one apostrophe before it."""
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """What a guarded cell was; others stay as they are."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell
