# SPDX-License-Identifier: Apache-2.0
"""The services' own repairs, one after another, with the stack's settings."""

import subprocess
import sys

import click

from souk_local.environments import Environments
from souk_local.executables import search_path

SERVICES = ("catalog", "orders", "analytics")
"""Analytics comes last: it compares what the others say."""


def repair(environments: Environments, *, apply: bool) -> bool:
    """Show what is broken, and repair it where *apply* says so; returns whether nothing is left."""
    whole = [_is_whole(service, environments, apply=apply) for service in SERVICES]
    return all(whole)


def _is_whole(service: str, environments: Environments, *, apply: bool) -> bool:
    click.secho(service, bold=True)
    log = environments.directory / "logs" / "repair.log"
    with log.open("ab") as errors:
        result = subprocess.run(
            [sys.executable, "-P", "-m", service, "repair", *(["--apply"] if apply else [])],
            check=False,
            env={"PATH": search_path(), "LANG": "C.UTF-8", **environments.service(service)},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    click.echo(result.stdout.rstrip() or f"gave no verdict; {log} says why")
    return result.returncode == 0
