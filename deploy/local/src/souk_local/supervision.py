# SPDX-License-Identifier: Apache-2.0
"""Supervisord: keeps every process of a stack alive, and is asked through its unix socket."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from souk_local.executables import search_path
from souk_local.leftovers import MARKER
from souk_local.processes import log_tail
from souk_local.servers import ServerNotReady
from souk_local.servers.server import write_private

SUPERVISORD_SECONDS = 15
STOPPED_STATES = {"STOPPED", "EXITED", "FATAL"}
MOST_STARTS = 3
POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Program:
    """A process that supervisord keeps running.

    Attributes:
        stops_as_group: whether its children get the stop signal too. Not the servers': Erlang's
            helper process would die before the broker has shut down.
    """

    name: str
    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    stop_signal: str = "TERM"
    stop_seconds: int = 20
    stops_as_group: bool = False


@dataclass(frozen=True)
class ProcessStatus:
    name: str
    state: str
    pid: int
    uptime_seconds: int

    @property
    def is_running(self) -> bool:
        return self.state == "RUNNING"


@dataclass(frozen=True)
class Supervisor:
    """The supervisord of the stack in *directory*."""

    directory: Path

    @property
    def configuration(self) -> Path:
        return self.directory / "supervisord.conf"

    @property
    def pid_file(self) -> Path:
        return self.directory / "supervisord.pid"

    def log(self, program: str) -> Path:
        return self.directory / "logs" / f"{program}.log"

    def is_configured(self, programs: Iterable[Program]) -> bool:
        """Whether the configuration on disk is the one for these programs."""
        configuration = self.configuration
        return configuration.exists() and configuration.read_text() == self._text(programs)

    def configure(self, programs: Iterable[Program]) -> None:
        """Write the configuration that the next supervisord starts with."""
        write_private(self.configuration, self._text(programs))

    def start(self) -> None:
        """Start supervisord as a daemon, without any program yet.

        Raises:
            ServerNotReady: it did not answer in time.
        """
        (self.directory / "logs").mkdir(exist_ok=True)
        command = [sys.executable, "-P", "-W", "ignore", "-m", "souk_local.supervisord"]
        result = subprocess.run(
            [*command, "-c", str(self.configuration)],
            check=False,
            cwd=self.directory,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if result.returncode:
            raise ServerNotReady(f"supervisord refused to start:\n{result.stdout}")
        deadline = time.monotonic() + SUPERVISORD_SECONDS
        while not self.is_alive():
            if time.monotonic() > deadline:
                log = self.log("supervisord")
                raise ServerNotReady(f"supervisord is silent; {log} ends:\n{log_tail(log)}")
            time.sleep(POLL_SECONDS)

    def is_alive(self) -> bool:
        """Whether a supervisord answers on the stack's socket."""
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False

    def statuses(self) -> list[ProcessStatus]:
        return [
            ProcessStatus(
                name=info["name"],
                state=info["statename"],
                pid=info["pid"],
                uptime_seconds=info["now"] - info["start"] if info["pid"] else 0,
            )
            for info in self._call("getAllProcessInfo")
        ]

    def all_running(self) -> bool:
        return all(status.is_running for status in self.statuses())

    def begin(self, *programs: str) -> None:
        """Start those of the programs that are not up, without waiting for them."""
        states = {status.name: status.state for status in self.statuses()}
        for program in programs:
            if states[program] in STOPPED_STATES:
                self._call("startProcess", program, False)

    def end(self, *programs: str) -> None:
        """Stop the programs side by side and return when they have ended."""
        running = {s.name for s in self.statuses() if s.state not in STOPPED_STATES}
        for program in running.intersection(programs):
            with contextlib.suppress(xmlrpc.client.Fault):
                self._call("stopProcess", program, False)
        while any(
            status.name in programs and status.state not in STOPPED_STATES
            for status in self.statuses()
        ):
            time.sleep(POLL_SECONDS)

    def shut_down(self) -> None:
        """End supervisord itself; it stops what still runs."""
        with contextlib.suppress(OSError, http.client.HTTPException, xmlrpc.client.Error):
            self._call("shutdown")

    def failing(self, starts: dict[str, set[int]]) -> str | None:
        """The first program that gave up or keeps ending; *starts* remembers the pids seen."""
        for status in self.statuses():
            seen = starts.setdefault(status.name, set())
            if status.pid:
                seen.add(status.pid)
            if status.state == "FATAL" or len(seen) > MOST_STARTS:
                return status.name
        return None

    def _call(self, method: str, *arguments: object) -> Any:
        transport = _UnixTransport(self.directory / "supervisor.sock")
        with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": search_path(),
            "HOME": os.environ.get("HOME", str(self.directory)),
            "LANG": "C.UTF-8",
            MARKER: str(self.directory),
        }

    def _text(self, programs: Iterable[Program]) -> str:
        return "\n".join([self._head(), *map(self._section, programs)])

    def _head(self) -> str:
        user = "user=root" if os.geteuid() == 0 else ""
        return f"""\
[unix_http_server]
file={_escaped(self.directory / "supervisor.sock")}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisord]
logfile={_escaped(self.log("supervisord"))}
pidfile={_escaped(self.pid_file)}
childlogdir={_escaped(self.directory / "logs")}
umask=077
minfds=1024
{user}
"""

    def _section(self, program: Program) -> str:
        environment = ",".join(
            f'{name}="{_escaped(value)}"' for name, value in program.environment.items()
        )
        return f"""\
[program:{program.name}]
command={" ".join(_quoted(part) for part in program.command)}
directory={_escaped(self.directory)}
environment={environment}
autostart=false
autorestart=true
startsecs=1
startretries=1000000
stopsignal={program.stop_signal}
stopwaitsecs={program.stop_seconds}
stopasgroup={str(program.stops_as_group).lower()}
killasgroup=true
redirect_stderr=true
stdout_logfile={_escaped(self.log(program.name))}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _UnixConnection(str(host), self._path)
        self._connection = host, connection  # what the transport's close() closes
        return connection


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, host: str, path: Path) -> None:
        super().__init__(host, timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(str(self._path))
        except OSError:
            self.sock.close()
            raise


def _escaped(value: object) -> str:
    return str(value).replace("%", "%%")


def _quoted(part: str) -> str:
    return f'"{_escaped(part)}"'
