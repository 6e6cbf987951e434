# SPDX-License-Identifier: Apache-2.0
"""Health: alive (nothing asked) and ready (everything needed is asked)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from common.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that a process depends on.

    Attributes:
        ask: Raises when it is not there.
        required: Without it the process is not ready; else it only works less well.
    """

    name: str
    ask: Callable[[], object]
    required: bool = True


def readiness(checks: list[Check]) -> tuple[dict[str, Any], bool]:
    """Ask every check; the body of ``/readyz`` and whether all that is required is there."""
    results = {check.name: _result(check) for check in checks}
    ready = all(result["ok"] or not result["required"] for result in results.values())
    return {"ok": ready, "checks": results}, ready


def _result(check: Check) -> dict[str, bool]:
    try:
        check.ask()
    except Exception as error:  # noqa: BLE001 - whatever it is, the thing is not usable
        log.warning("check_failed", check=check.name, reason=type(error).__name__)
        return {"ok": False, "required": check.required}
    return {"ok": True, "required": check.required}
