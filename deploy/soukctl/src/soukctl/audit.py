# SPDX-License-Identifier: Apache-2.0
"""The shop's audit: every rule, and what breaks it."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape

from soukctl.console import BESIDE, OUTPUT, json_option, say_json
from soukctl.shop import Shop

# The local stack shows audits too, and its start shall not wait for pydantic.
if TYPE_CHECKING:
    from soukctl.config import Config

VERDICT_SECONDS = 120.0


def ask(url: str, username: str, password: str) -> list[dict[str, Any]]:
    """Every check of the running shop, each with its ``violations``.

    Raises:
        Refused: There is no verdict.
    """
    shop = Shop(url, username, password, timeout_seconds=VERDICT_SECONDS)
    checks: list[dict[str, Any]] = shop.get("/v1/audit/invariants")["checks"]
    return checks


def show(checks: Iterable[dict[str, Any]], console: Console = OUTPUT) -> None:
    """Each rule, and below a broken one what breaks it."""
    for check in checks:
        mark = "[green]✓[/green]" if check["ok"] else "[red]✗[/red]"
        console.print(f"{mark} {escape(check['name'])}")
        for violation in check["violations"]:
            text = f"    {violation['subject']}: {violation['detail']}"
            console.print(escape(text), style="red")


@click.command()
@json_option
@click.pass_obj
def audit(config: "Config", *, as_json: bool) -> None:
    """Prove that orders, stock, ledger and events agree; fails when a rule is broken."""
    with BESIDE.status("Comparing orders, stock, ledger and events"):
        checks = ask(*config.need("gateway_url", "admin_username", "admin_password"))
    holds = all(check["ok"] for check in checks)
    if as_json:
        say_json({"ok": holds, "checks": checks})
    else:
        show(checks)
    sys.exit(0 if holds else 1)
