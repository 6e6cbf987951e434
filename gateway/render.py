#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fills in the gateway's nginx template. Needs only Python, so that any deployment can use it.

As a program it reads the settings from the environment and prints the configuration.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

TEMPLATE = Path(__file__).parent / "templates" / "nginx.conf.template"
PLACEHOLDER = re.compile(r"\$\{([A-Z_]+)\}")
FORBIDDEN = re.compile(r"[\"'\\${};\r\n\0]")
LONGEST_SOCKET_PATH = 107
LARGEST_FACTOR = 1_000_000

DEFAULTS = {
    "RATE_LIMIT_FACTOR": "1",
    "UPSTREAM_CONNECT_TIMEOUT": "1s",
    "UPSTREAM_READ_TIMEOUT": "10s",
    "WORKER_PROCESSES": "auto",
}
LIMITS = {
    "ADDRESS_RATE": 100,
    "ADDRESS_BURST": 400,
    "TOKEN_RATE": 50,
    "TOKEN_BURST": 100,
    "SIGNUP_RATE": 20,
    "SIGNUP_BURST": 19,
    "LOGIN_RATE": 60,
    "LOGIN_BURST": 59,
}
"""Requests a second; a minute for sign-ups and log-ins, all of which may come in one burst."""


class WrongSettings(ValueError):
    """Some settings are missing or can't stand in a configuration; the message names them all."""


def render(settings: Mapping[str, str]) -> str:
    """The complete nginx configuration for *settings*.

    Args:
        settings: Every ``${PLACEHOLDER}`` of the template, except those in ``DEFAULTS``, those in
            ``LIMITS``, which follow from ``RATE_LIMIT_FACTOR``, and ``USER_LINE``, which follows
            from ``WORKER_USER``. Others are ignored.

    Raises:
        WrongSettings: The message names every setting that is missing or wrong.
    """
    template = TEMPLATE.read_text(encoding="utf-8")
    values = {**DEFAULTS, **settings}
    values = {**_limits(values["RATE_LIMIT_FACTOR"]), **values, "USER_LINE": _user_line(values)}
    names = sorted(set(PLACEHOLDER.findall(template)))
    faults = [f"{name} is missing" for name in names if name not in values]
    faults += [
        f"{name} is empty or has a character that would end it"
        for name in names
        if name in values and name != "USER_LINE" and not _can_stand(values[name])
    ]
    if len(f"{values.get('RUN_DIR', '')}/inner.sock".encode()) > LONGEST_SOCKET_PATH:
        faults.append("RUN_DIR is too long for the path of a socket")
    if faults:
        raise WrongSettings("; ".join(faults))
    return PLACEHOLDER.sub(lambda match: values[match[1]], template)


def _can_stand(value: str) -> bool:
    return bool(value) and not FORBIDDEN.search(value)


def _limits(factor: str) -> dict[str, str]:
    try:
        times = float(factor)
    except ValueError as error:
        raise WrongSettings("RATE_LIMIT_FACTOR is not a number") from error
    if not 0 < times <= LARGEST_FACTOR:
        raise WrongSettings(f"RATE_LIMIT_FACTOR is not between 0 and {LARGEST_FACTOR}")
    return {name: str(max(1, round(limit * times))) for name, limit in LIMITS.items()}


def _user_line(values: Mapping[str, str]) -> str:
    # nginx started by root would give its workers to "nobody", who can't read a private directory.
    user = values.get("WORKER_USER", "root" if os.geteuid() == 0 else "")
    if not re.fullmatch(r"[A-Za-z0-9_.-]*", user):
        raise WrongSettings("WORKER_USER is not a user's name")
    return f"user {user};" if user else ""


if __name__ == "__main__":
    try:
        sys.stdout.write(render(os.environ))
    except WrongSettings as error:
        sys.exit(f"render: {error}")
