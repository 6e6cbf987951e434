# SPDX-License-Identifier: Apache-2.0
"""What every private server has in common."""

import os
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

LOOPBACK = "127.0.0.1"
PROBE_TIMEOUT_SECONDS = 2.0
PROBE_INTERVAL_SECONDS = 0.05
LOOK_INTERVAL_SECONDS = 0.5


class ServerNotReady(Exception):
    """The server ended, or did not answer in time."""


@dataclass(frozen=True, kw_only=True)
class Server(ABC):
    """One server of the stack, with all its files under its own *directory*."""

    name: ClassVar[str]
    stop_signal: ClassVar[str] = "TERM"
    stop_seconds: ClassVar[int] = 30

    directory: Path

    @abstractmethod
    def command(self) -> list[str]:
        """The command line that runs the server in the foreground."""

    def environment(self) -> dict[str, str]:
        """The variables the server needs beside PATH."""
        return {}

    def prepare(self) -> None:
        """Make the data directory and the configuration; safe to repeat, keeps data."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether a client that connects now is served."""

    def wait_until_ready(
        self, seconds: float = 60, is_running: Callable[[], bool] = lambda: True
    ) -> None:
        """Return as soon as the server answers.

        Raises:
            ServerNotReady: after *seconds*, or at once when *is_running* says that it ended.
        """
        began = time.monotonic()
        next_look_at = 0.0
        while not self.is_ready():
            waited = time.monotonic() - began
            # To ask supervisord costs fifty times what a probe does.
            if waited >= next_look_at:
                if not is_running():
                    raise ServerNotReady(f"{self.name} ended while it was starting")
                next_look_at = waited + LOOK_INTERVAL_SECONDS
            if waited > seconds:
                raise ServerNotReady(f"{self.name} did not answer within {seconds:.0f} s")
            time.sleep(PROBE_INTERVAL_SECONDS)


def accepts_connections(port: int) -> bool:
    """Whether something listens on this loopback port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=PROBE_TIMEOUT_SECONDS):
            return True
    except OSError:
        return False


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; nobody else may read it at any moment."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
