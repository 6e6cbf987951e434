# SPDX-License-Identifier: Apache-2.0
"""Runs a service's command to its end: migrations, the first admin."""

import subprocess
import sys
from collections.abc import Mapping

from souk_local.executables import search_path

SECONDS = 120
OUTPUT_LINES = 20


class CommandFailed(Exception):
    """A service's command failed; the message has the end of what it said."""


def run_service_command(service: str, command: str, environment: Mapping[str, str]) -> None:
    """Run ``python -m <service> <command>`` with exactly this environment.

    Raises:
        CommandFailed: it did not end with success.
    """
    run_python(["-m", service, command], environment)


def run_python(arguments: list[str], environment: Mapping[str, str]) -> None:
    """Run Python with exactly this environment.

    Raises:
        CommandFailed: it did not end with success.
    """
    result = subprocess.run(
        [sys.executable, "-P", *arguments],
        check=False,
        env={"PATH": search_path(), "LANG": "C.UTF-8", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    if result.returncode:
        tail = "\n".join(result.stdout.splitlines()[-OUTPUT_LINES:])
        raise CommandFailed(f"`{' '.join(arguments)}` failed:\n{tail}")
