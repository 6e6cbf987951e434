# SPDX-License-Identifier: Apache-2.0
"""What people see, and what programs read: results on standard output, the rest beside it."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

F = TypeVar("F", bound=Callable[..., object])

UNFOLDED = 1000
"""Columns of a pipe or a file, where nobody wants a table's cells folded."""

OUTPUT = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else UNFOLDED)
BESIDE = Console(stderr=True, highlight=False, soft_wrap=True)


def json_option(command: F) -> F:
    """Every command has it, and hands ``as_json`` to its function."""
    return click.option("--json", "as_json", is_flag=True, help="Write JSON for programs.")(command)


def yes_option(command: F) -> F:
    """For what changes something that nobody can take back."""
    return click.option("--yes", is_flag=True, help="Do it without asking.")(command)


def say(text: str, style: str = "") -> None:
    OUTPUT.print(escape(text), style=style or None)


def say_beside(text: str) -> None:
    """Tell people something that is no part of the result."""
    BESIDE.print(escape(text))


def say_json(value: Any) -> None:
    """One JSON document on one line."""
    click.echo(orjson.dumps(value, default=str))


def say_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    OUTPUT.print(table)


def progress(*, quiet: bool = False) -> Progress:
    """Bars of long work, for people at a terminal only."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
        console=BESIDE,
        transient=True,
        disable=quiet or not BESIDE.is_terminal,
    )
