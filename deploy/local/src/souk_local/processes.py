# SPDX-License-Identifier: Apache-2.0
"""A server as a plain subprocess, for tests: it ends with whoever started it."""

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from souk_local.executables import executable, search_path
from souk_local.servers.server import Server, ServerNotReady

LOG_TAIL_LINES = 20


@dataclass(frozen=True)
class ServerProcess:
    """A running server.

    ``setpriv --pdeathsig`` has the kernel stop it when the *thread* that started it ends, so that
    even a killed test run leaves nothing behind.  Start servers from the main thread.
    """

    server: Server
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, server: Server) -> Self:
        """Prepare and start the server in a process group of its own, without waiting for it."""
        server.prepare()
        log = server.directory / f"{server.name}.log"
        program, *arguments = server.command()
        signal_name = server.stop_signal
        command = ["setpriv", "--pdeathsig", signal_name, "--", executable(program), *arguments]
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=server.directory,
                env=environment_of(server),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(server, process, log)

    @property
    def pid(self) -> int:
        return self.process.pid

    def is_running(self) -> bool:
        return self.process.poll() is None

    def wait_until_ready(self, seconds: float = 60) -> None:
        """Return as soon as the server answers.

        Raises:
            ServerNotReady: it ended or stayed silent; with the log's path and last lines.
        """
        try:
            self.server.wait_until_ready(seconds, self.is_running)
        except ServerNotReady as error:
            raise ServerNotReady(f"{error}; {self.log} ends:\n{log_tail(self.log)}") from error

    def stop(self) -> None:
        """Ask it to end, insist after its time to do so, and leave nothing of its group."""
        self._signal(signal.Signals[f"SIG{self.server.stop_signal}"])
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(self.server.stop_seconds)
        self.kill()

    def kill(self) -> None:
        """Kill the whole process group at once, as a crash would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self.is_running():
            self.process.send_signal(number)


def environment_of(server: Server) -> dict[str, str]:
    """A clean environment: nothing of the caller's secrets or settings gets into a server."""
    return {"PATH": search_path(), "LANG": "C.UTF-8", **server.environment()}


def log_tail(log: Path, lines: int = LOG_TAIL_LINES) -> str:
    """The last lines of a log, or a word that there is none."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
