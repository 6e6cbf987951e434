# SPDX-License-Identifier: Apache-2.0
"""The five schemas: wait for them, bring them up to date, compare them with the code."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import click

from common.migrations import differences, is_at_head, migrate_to_head
from common.roles import migrations_of
from soukctl.config import SERVICES, Config
from soukctl.console import json_option, progress, say, say_json
from soukctl.databases import database_of, tables_of
from soukctl.shop import Refused

POLL_SECONDS = 0.3

services_argument = click.argument(
    "services", nargs=-1, type=click.Choice(SERVICES), metavar="[SERVICE]..."
)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is to say of one schema; *faults* are sentences."""

    service: str
    said: str
    faults: tuple[str, ...] = ()


@click.group()
def db() -> None:
    """The schemas of the services; of all of them unless some are named."""


@db.command()
@services_argument
@click.option("--seconds", type=click.FloatRange(0), default=60.0, show_default=True)
@json_option
@click.pass_obj
def wait(config: Config, *, services: Sequence[str], seconds: float, as_json: bool) -> None:
    """Wait until the databases answer."""
    deadline = time.monotonic() + seconds

    def answer(service: str) -> Verdict:
        while True:
            try:
                with database_of(config, service) as database:
                    database.ping()
                return Verdict(service=service, said="answers")
            except Refused as silence:
                if time.monotonic() > deadline:
                    return Verdict(service=service, said="silent", faults=(str(silence),))
            time.sleep(POLL_SECONDS)

    _each(services, answer, as_json=as_json)


@db.command()
@services_argument
@json_option
@click.pass_obj
def migrate(config: Config, *, services: Sequence[str], as_json: bool) -> None:
    """Bring the schemas up to date; safe to repeat, and to start twice at once."""

    def step(service: str) -> Verdict:
        worked = migrate_to_head(config.database_url(service), migrations_of(service))
        return Verdict(service=service, said="migrated" if worked else "was up to date")

    _each(services, step, as_json=as_json)


@db.command()
@services_argument
@json_option
@click.pass_obj
def check(config: Config, *, services: Sequence[str], as_json: bool) -> None:
    """Compare the schemas with the code: every migration done, every table as it should be."""
    _each(services, lambda service: compare(config, service), as_json=as_json)


def compare(config: Config, service: str) -> Verdict:
    """Whether a schema is what the service's code wants."""
    with database_of(config, service) as database:
        database.ping()
        with database.engine.connect() as connection:
            if not is_at_head(connection, migrations_of(service)):
                return Verdict(service=service, said="behind", faults=("Migrations are missing.",))
            faults = differences(connection, tables_of(service))
    return Verdict(
        service=service, said="differs" if faults else "as it should be", faults=(*faults,)
    )


def _each(services: Sequence[str], work: Callable[[str], Verdict], *, as_json: bool) -> None:
    verdicts = []
    with progress(quiet=as_json) as bar:
        task = bar.add_task("schemas", total=len(services or SERVICES), said="")
        for service in services or SERVICES:
            bar.update(task, said=service)
            verdicts.append(work(service))
            bar.advance(task)
    ok = not any(verdict.faults for verdict in verdicts)
    if as_json:
        say_json({"ok": ok, "schemas": [asdict(verdict) for verdict in verdicts]})
    for verdict in () if as_json else verdicts:
        say(f"{verdict.service}: {verdict.said}")
        for fault in verdict.faults:
            say(f"    {fault}", style="red")
    sys.exit(0 if ok else 1)
