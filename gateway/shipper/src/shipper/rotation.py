# SPDX-License-Identifier: Apache-2.0
"""Keeps the view log short."""

from datetime import UTC, datetime
from pathlib import Path

from common.logs import get_logger

log = get_logger(__name__)


def rotate(view_log: Path, *, most_bytes: int, now: datetime) -> bool:
    """Rename the log when it has grown; whether it was. nginx begins a new one."""
    try:
        if view_log.stat().st_size < most_bytes:
            return False
    except FileNotFoundError:
        return False
    view_log.rename(view_log.with_name(f"{view_log.name}.{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"))
    log.info("view_log_rotated")
    return True
