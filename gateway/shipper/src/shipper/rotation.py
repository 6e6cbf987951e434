# SPDX-License-Identifier: Apache-2.0
"""Keeps the view log short where nobody else does."""

import os
import signal
from datetime import UTC, datetime
from pathlib import Path

from common.logs import get_logger

log = get_logger(__name__)


def rotate(view_log: Path, *, most_bytes: int, nginx_pid_file: Path, now: datetime) -> bool:
    """Rename the log when it has grown, and let nginx begin a new one; whether it did.

    Nothing happens while nginx is away. A rename whose signal did not go out is made good by the
    next call, which finds no log.
    """
    pid = _nginx(nginx_pid_file)
    if pid is None:
        return False
    if view_log.exists():
        if view_log.stat().st_size < most_bytes:
            return False
        view_log.rename(view_log.with_name(f"{view_log.name}.{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"))
    os.kill(pid, signal.SIGUSR1)
    log.info("view_log_rotated")
    return True


def _nginx(pid_file: Path) -> int | None:
    try:
        pid = int(pid_file.read_text())
        # A pid left over from a killed nginx may be anybody's by now, and USR1 ends most programs.
        is_nginx = Path(f"/proc/{pid}/comm").read_text().strip() == "nginx"
    except (OSError, ValueError):
        return None
    return pid if is_nginx else None
