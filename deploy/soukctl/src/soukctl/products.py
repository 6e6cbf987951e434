# SPDX-License-Identifier: Apache-2.0
"""Products in and out, as files."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from io import TextIOWrapper
from pathlib import Path

import click

from soukctl.config import Config
from soukctl.console import json_option, progress, say, say_beside, say_json
from soukctl.databases import database_of
from soukctl.exports import export_option, write_all
from soukctl.imports import COLUMNS, NEEDED, Fault, Importer, Reading, Tally
from soukctl.sheets import CSVWriter, csv_rows, is_csv, ndjson_rows, whole_file
from soukctl.shop import Refused, Shop


@click.group()
def products() -> None:
    """Products in and out, as files."""


@products.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check every row and change nothing.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where faulty rows are written down.  [default: FILE.faults.csv]",
)
@json_option
@click.pass_obj
def import_(
    config: Config, *, file: Path, dry_run: bool, report: Path | None, as_json: bool
) -> None:
    """Put the products of a CSV or NDJSON file up for sale, in the admin's name.

    What has a sku that is there already is left as it is, so an import that was interrupted, or had
    faulty rows, is repeated as a whole. Good rows go in; faulty ones fail the command and stand in
    the report with their row numbers.
    """
    tally = Tally()
    reading = Reading(from_text=is_csv(file), tally=tally)
    try:
        with _importer(config, dry_run=dry_run) as importer:
            _work_through(file, reading, importer, quiet=as_json)
    except KeyboardInterrupt:
        say_beside(f"{_said(tally, dry_run=dry_run)} The same command again does the rest.")
        raise
    except UnicodeDecodeError as error:
        raise Refused(f"{file} is not UTF-8, behind row {tally.rows + 1}.") from error
    where = report or file.with_name(f"{file.name}.faults.csv")
    _write_report(where, reading.faults)
    if as_json:
        faults = {"faults": [asdict(fault) for fault in reading.faults]}
        say_json(asdict(tally) | {"dry_run": dry_run} | faults)
    else:
        say(_said(tally, dry_run=dry_run))
        if reading.faults:
            say(f"What is wrong with the faulty rows stands in {where}.", style="red")
    sys.exit(1 if tally.faulty else 0)


@products.command()
@export_option
@json_option
@click.pass_obj
def export(config: Config, *, output: Path | None, as_json: bool) -> None:
    """Write all products in the form that `import` reads; their quantity is what is left to sell.

    CSV, or NDJSON with --json. A product without a sku has to get one before it can be imported.
    """
    pages = Shop.of(config).pages("/v1/products", sort="created_at")
    records = (
        {name: one["available" if name == "quantity" else name] for name in COLUMNS}
        for page in pages
        for one in page
    )
    write_all(records, COLUMNS, output=output, as_json=as_json, things="products")


@contextmanager
def _importer(config: Config, *, dry_run: bool) -> Iterator[Importer]:
    """Whoever may log in as an admin, and has catalog's database, may import."""
    me = Shop.of(config).get("/v1/users/me")
    if me["role"] != "admin":
        raise Refused(f"{me['username']} is no admin, and only admins import.")
    with database_of(config, "catalog") as database:
        yield Importer(
            database=database,
            seller_id=me["id"],
            seller_name=me["username"],
            currency=config.currency,
            dry_run=dry_run,
        )


def _work_through(file: Path, reading: Reading, importer: Importer, *, quiet: bool) -> None:
    with file.open("rb") as raw, progress(quiet=quiet) as bar:
        task = bar.add_task("rows", total=file.stat().st_size, said="")
        text = TextIOWrapper(raw, encoding="utf-8-sig", newline="")
        rows = csv_rows(text, COLUMNS, needed=NEEDED) if reading.from_text else ndjson_rows(text)
        for _ in importer.bring(reading.products(rows), reading.tally):
            bar.update(task, completed=raw.tell(), said=f"{reading.tally.rows:,}")


def _said(tally: Tally, *, dry_run: bool) -> str:
    came = "would be imported" if dry_run else "imported"
    return (
        f"{tally.rows:,} rows: {tally.imported:,} {came}, "
        f"{tally.already_there:,} already there, {tally.faulty:,} faulty."
    )


def _write_report(path: Path, faults: Sequence[Fault]) -> None:
    if not faults and not path.exists():  # the report of an earlier try is not left as it was
        return
    with whole_file(path) as file:
        writer = CSVWriter(file, ("row", "sku", "field", "fault"))
        for fault in faults:
            writer.write(asdict(fault))
