# SPDX-License-Identifier: Apache-2.0
"""Looks at everything that the shop depends on, and says what to do about what is wrong."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict

import click
from rich.markup import escape
from sqlalchemy.exc import DBAPIError

from soukctl.checks.broker import broker
from soukctl.checks.database import databases
from soukctl.checks.finding import Finding, unknown
from soukctl.checks.gateway import gateway, token
from soukctl.checks.surroundings import disk, mail, redis
from soukctl.config import Config, SettingsMissing
from soukctl.console import BESIDE, OUTPUT, json_option, say_json
from soukctl.databases import words_of
from soukctl.shop import Refused

CHECKS: dict[str, Callable[[Config], Iterator[Finding]]] = {
    "gateway": gateway,
    "token": token,
    "databases": databases,
    "broker": broker,
    "redis": redis,
    "mail": mail,
    "disk": disk,
}
MARKS = {"well": "[green]✓[/green]", "wrong": "[red]✗[/red]", "unknown": "[yellow]?[/yellow]"}


@click.command()
@json_option
@click.pass_obj
def doctor(config: Config, *, as_json: bool) -> None:
    """Look at everything that the shop depends on, and say what to do about what is wrong."""
    findings = []
    with BESIDE.status("Looking around") as status:
        for name, check in CHECKS.items():
            status.update(f"Looking at the {name}")
            for finding in _look(name, check, config):
                findings.append(finding)
                if not as_json:
                    _show(finding)
    ok = all(finding.state != "wrong" for finding in findings)
    if as_json:
        say_json({"ok": ok, "findings": [asdict(finding) for finding in findings]})
    sys.exit(0 if ok else 1)


def _look(
    name: str, check: Callable[[Config], Iterator[Finding]], config: Config
) -> Iterator[Finding]:
    try:
        yield from check(config)
    except SettingsMissing as error:
        yield unknown(name, str(error))
    # The check of the databases tells of the fault itself; it keeps nobody from looking further.
    except (DBAPIError, Refused) as error:
        yield unknown(name, f"can't be looked at: {words_of(error)}")


def _show(finding: Finding) -> None:
    OUTPUT.print(f"{MARKS[finding.state]} {escape(f'{finding.subject}: {finding.said}')}")
    if finding.fix:
        OUTPUT.print(escape(f"    To settle it, {finding.fix}"), style="red")
