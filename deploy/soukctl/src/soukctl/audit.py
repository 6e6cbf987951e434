# SPDX-License-Identifier: Apache-2.0
"""The shop's audit for people at a terminal."""

from http import HTTPStatus
from typing import Any

from soukctl.gateway import GatewayClient


class AuditRefused(Exception):
    """The audit gave no verdict; the message says what the gateway said."""


def ask(url: str, username: str, password: str) -> list[dict[str, Any]]:
    """Every check of the running shop, each with its ``violations``.

    Raises:
        AuditRefused: there is no verdict.
    """
    try:
        admin = GatewayClient(url, timeout_seconds=120).logged_in(username, password)
        answer = admin.get("/v1/audit/invariants")
    except (PermissionError, OSError) as error:
        raise AuditRefused(f"The audit can't be asked: {error}") from error
    if answer.status != HTTPStatus.OK:
        raise AuditRefused(f"The audit gave no verdict: {answer.status} {answer.body}")
    checks: list[dict[str, Any]] = answer.body["checks"]
    return checks
