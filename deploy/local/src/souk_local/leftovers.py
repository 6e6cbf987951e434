# SPDX-License-Identifier: Apache-2.0
"""Processes of a stack whose supervisord is gone: found by what they are, ended by their pid.

A killed supervisord leaves its children running on our ports.  They are known by the marker that
they inherited in their environment; nginx and Redis overwrite theirs, so a server of ours that
works inside the stack's directory counts as well.  A pid file alone would not do: after a restart
of the machine its number may be anybody's.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

MARKER = "SOUK_RUN_DIRECTORY"
SERVER_NAMES = {"nginx", "redis-server", "mariadbd", "beam.smp", "epmd", "supervisord"}
STOP_SECONDS = 20.0
POLL_SECONDS = 0.1


def find(directory: Path) -> list[int]:
    """The pids of everything that belongs to the stack in *directory*."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if pid != os.getpid() and _belongs(pid, directory)]


def end(directory: Path) -> int:
    """Stop all that belongs to the stack, the stubborn by force; say how many there were."""
    if not (found := find(directory)):
        return 0
    _signal(found, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while (left := find(directory)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    _signal(left, signal.SIGKILL)
    while find(directory):
        time.sleep(POLL_SECONDS)
    return len(found)


def _belongs(pid: int, directory: Path) -> bool:
    process = Path("/proc") / str(pid)
    try:
        if _is_zombie(process):
            return False
        if f"{MARKER}={directory}".encode() in (process / "environ").read_bytes().split(b"\0"):
            return True
        return (process / "comm").read_text().strip() in SERVER_NAMES and (
            process / "cwd"
        ).readlink().is_relative_to(directory)
    except OSError:  # ended meanwhile, or another user's
        return False


def _is_zombie(process: Path) -> bool:
    return (process / "stat").read_text().rpartition(") ")[2].startswith("Z")


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
