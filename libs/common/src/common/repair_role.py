# SPDX-License-Identifier: Apache-2.0
"""``python -m catalog repair``: the audit's findings put right, for people and for programs."""

import getpass
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from importlib import import_module
from typing import TYPE_CHECKING

import click
import orjson

from common.roles import settings_of

if TYPE_CHECKING:
    from common.repairs import Outcome
    from common.settings import ServiceSettings

NOTHING = "Nothing is broken."
NO_ANSWER = 2


def add_repair(service: str, group: click.Group, module: str) -> None:
    """Give a service's program its command ``repair``.

    Args:
        module: Its ``repair(config, database, apply=False)`` looks at everything, and repairs what
            it may. It is imported when that is wanted, as a role is.
    """

    @group.command(
        help="Repair what the audit finds broken and other records prove; else only say what. "
        "Ends with 0 when nothing is left, 1 when something is, 2 when that can't be known now."
    )
    @click.option("--apply", is_flag=True, help="Do it, and write it down.")
    @click.option("--json", "as_json", is_flag=True, help="Say it to a program.")
    @click.option("--by", default=_user, help="Who does it; you, unless said.")
    def repair(*, apply: bool, as_json: bool, by: str) -> None:
        # What is said goes to standard output, so the logs must not.
        with redirect_stdout(sys.stderr):
            outcomes = _work(service, settings_of(service).load(), module, apply=apply, by=by)
        click.echo(_document(outcomes) if as_json else _table(outcomes))
        sys.exit(any(outcome.state != "repaired" for outcome in outcomes))


def _user() -> str:
    """Who is logged in; in a container, where nobody has a name, the user's number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _work(
    service: str, config: "ServiceSettings", module: str, *, apply: bool, by: str
) -> "list[Outcome]":
    from common.context import Trace, traced  # noqa: PLC0415
    from common.db import Database  # noqa: PLC0415
    from common.logs import configure_logs  # noqa: PLC0415
    from common.problems import Unavailable  # noqa: PLC0415

    repair = import_module(module).repair
    configure_logs(service, config.log_level)
    database = Database.from_settings(config)
    try:
        with traced(Trace(actor=f"operator/{by}")):
            found: list[Outcome] = repair(config, database, apply=apply)
            return found
    except Unavailable as error:
        click.echo(f"{service} repair: {error.detail}", err=True)
        sys.exit(NO_ANSWER)
    finally:
        database.dispose()


def _document(outcomes: "Sequence[Outcome]") -> bytes:
    return orjson.dumps([outcome.model_dump() for outcome in outcomes])


def _table(outcomes: "Sequence[Outcome]") -> str:
    if not outcomes:
        return NOTHING
    columns: list[Callable[[Outcome], str]] = [
        lambda one: one.state,
        lambda one: one.rule,
        lambda one: one.subject,
        lambda one: f"{one.was} -> {one.became}" if one.became else f"{one.detail}: {one.advice}",
    ]
    rows = [[column(outcome) for column in columns] for outcome in outcomes]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
