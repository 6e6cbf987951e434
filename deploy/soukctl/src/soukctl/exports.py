# SPDX-License-Identifier: Apache-2.0
"""What every export has in common."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

import click

from soukctl.console import progress, say_beside
from soukctl.sheets import CSVWriter, NDJSONWriter, Writer, whole_file

F = TypeVar("F", bound=Callable[..., object])


def export_option(command: F) -> F:
    return click.option(
        "--output",
        "-o",
        type=click.Path(dir_okay=False, path_type=Path),
        help="The file to write; it is there once it is complete.  [default: standard output]",
    )(command)


def write_all(
    records: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    output: Path | None,
    as_json: bool,
    things: str,
) -> None:
    """Write *records* while they are read, as CSV of these columns or as NDJSON of all they say."""
    count = 0
    records = iter(records)
    first = list(islice(records, 1))  # a shop that gives no answer leaves no file
    with whole_file(output) as file, progress(quiet=output is None) as bar:
        writer: Writer = NDJSONWriter(file) if as_json else CSVWriter(file, columns)
        task = bar.add_task(things, total=None, said="")
        for record in chain(first, records):
            writer.write(record)
            count += 1
            bar.update(task, said=f"{count:,}")
    say_beside(f"{count:,} {things} written.")
