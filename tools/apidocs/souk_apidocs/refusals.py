# SPDX-License-Identifier: Apache-2.0
"""Who may call an operation and how it refuses, read out of the words that common.spec writes."""

import re
from typing import Any

FOR = re.compile(r"^For: (.+)\.$", re.MULTILINE)
REFUSAL = re.compile(r"^`?(\w+)`?: (.+)$", re.MULTILINE)


def callers_of(operation: dict[str, Any]) -> str:
    """Who may call: ``anybody``, ``signed in``, or the roles."""
    asked = operation.get("security")
    if not asked:
        return "anybody"
    if {} in asked:
        is_refresh = "refresh" in operation["operationId"]
        return (
            "whoever has a refresh token" if is_refresh else "signed in; in an open store anybody"
        )
    named = FOR.search(operation.get("description", ""))
    return named[1] if named else "signed in"


def text_of(operation: dict[str, Any]) -> str:
    """The description without what ``callers_of`` says."""
    return FOR.sub("", operation.get("description", "")).strip()


def refusals_of(operation: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Every refusal as (status, code, sentence)."""
    return [
        (status, code, sentence)
        for status, response in operation["responses"].items()
        if status != "default"
        for code, sentence in REFUSAL.findall(response["description"])
    ]


def successes_of(operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The answers that are no refusals, by status."""
    return {
        status: response
        for status, response in operation["responses"].items()
        if status[0] in "23"
        or (status != "default" and not REFUSAL.search(response["description"]))
    }
