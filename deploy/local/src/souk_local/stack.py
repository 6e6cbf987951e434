# SPDX-License-Identifier: Apache-2.0
"""The whole stack on this machine: up, down, purge, status."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from souk_local import leftovers, operators, packages, port_holders
from souk_local.console import ProcessLine, Terminal
from souk_local.environments import ADMIN_EMAIL, ADMIN_USERNAME, Environments
from souk_local.keyring import Keyring
from souk_local.memory import memory_by_group
from souk_local.ports import Ports
from souk_local.programs import STOPPED_LAST, programs_of
from souk_local.renewal import NotRenewed, Renewal
from souk_local.servers.server import write_private
from souk_local.startup import Startup
from souk_local.supervision import Supervisor
from soukctl.gateway import GatewayClient

LONGEST_DIRECTORY = 85  # a unix socket's path has at most 107 characters


class DirectoryTooLong(Exception):
    """The run directory's path leaves no room for the sockets in it."""


@dataclass(frozen=True)
class Stack:
    """One private stack; everything of it lies in *directory*.

    Args:
        gateway: the repository's gateway folder, with the nginx template.
        web_workers: web processes of catalog and of orders; each takes about 80 MB.
        open_store: whether guests of the online store may buy without a token.
        traces: a collector that takes OpenTelemetry's traces.
    """

    directory: Path
    ports: Ports
    gateway: Path
    terminal: Terminal = field(default_factory=Terminal)
    web_workers: int = 1
    open_store: bool = False
    traces: str | None = None

    @cached_property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.directory)

    @cached_property
    def keyring(self) -> Keyring:
        """The stack's secrets; made when they are first asked for."""
        return Keyring.of(self.directory)

    @cached_property
    def environments(self) -> Environments:
        return Environments(
            self.directory,
            self.ports,
            self.keyring,
            self.gateway,
            web_workers=self.web_workers,
            open_store=self.open_store,
            traces=self.traces,
        )

    def up(self) -> None:
        """Bring the stack up, or find it up; safe to repeat and to interrupt.

        Raises:
            PackagesMissing, PortTaken, ServerNotReady, CommandFailed, DemoRefused,
            DirectoryTooLong: with a message that says what to do.
        """
        self._refuse_long_directory()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone():
            with self.terminal.step("Checking the servers' packages"):
                packages.ensure_installed()
            if self._is_up():
                self.terminal.say("The stack is up already; nothing was changed.")
            else:
                self._make_room()
                Startup(self.environments, self.supervisor, self.terminal).run()
            self._write_credentials()
            operators.write(self.environments)

    def down(self) -> None:
        """Stop every process of the stack and keep its data."""
        if not self.directory.exists():
            self.terminal.say("There is no stack here.")
            return
        with self._alone(), self.terminal.step("Stopping the stack"):
            self._stop()

    def purge(self) -> None:
        """Stop the stack and delete all of its data."""
        self.down()
        with self.terminal.step(f"Deleting {self.directory}"):
            shutil.rmtree(self.directory, ignore_errors=True)

    def restart(self) -> None:
        """Replace every process of the product by one with the code of today, request by request.

        Raises:
            CommandFailed, NotRenewed: with a message that says what to do.
        """
        with self._alone():
            if not self._is_supervised_as_configured():
                raise NotRenewed(
                    "The stack is down, or its processes need other settings than they were "
                    "started with; `make up` starts all of them anew."
                )
            Renewal(self.environments, self.supervisor, self.terminal).run()

    def status(self) -> list[ProcessLine]:
        """Every process of the stack; none when it is down."""
        if not self.supervisor.is_alive():
            return []
        memory = memory_by_group()
        return [
            ProcessLine(
                name=status.name,
                state=status.state,
                pid=status.pid,
                uptime_seconds=status.uptime_seconds,
                memory_bytes=memory[status.pid] if status.pid else 0,
            )
            for status in self.supervisor.statuses()
        ]

    def _is_up(self) -> bool:
        return (
            self._is_supervised_as_configured()
            and self.supervisor.all_running()
            and GatewayClient(self.environments.gateway_url).is_ready()
        )

    def _is_supervised_as_configured(self) -> bool:
        return self.supervisor.is_alive() and self.supervisor.is_configured(
            programs_of(self.environments)
        )

    def _make_room(self) -> None:
        """End what is left of an earlier or differently configured stack; check the ports."""
        if not self._is_supervised_as_configured():
            self._stop()
            port_holders.refuse_taken(self.ports.by_name())

    def _stop(self) -> None:
        if self.supervisor.is_alive():
            names = {status.name for status in self.supervisor.statuses()}
            self.supervisor.end(*(names - STOPPED_LAST))
            self.supervisor.end(*(names & STOPPED_LAST))
            self.supervisor.shut_down()
        leftovers.end(self.directory)

    def _write_credentials(self) -> None:
        admin = {
            "username": ADMIN_USERNAME,
            "email": ADMIN_EMAIL,
            "password": self.keyring.admin_password,
        }
        credentials = {"gateway": self.environments.gateway_url, "admin": admin}
        path = self.directory / "credentials.json"
        write_private(path, json.dumps(credentials, indent=2) + "\n")

    def _refuse_long_directory(self) -> None:
        if len(os.fsencode(self.directory)) > LONGEST_DIRECTORY:
            raise DirectoryTooLong(
                f"{self.directory} is too long for the sockets in it; choose a directory "
                f"of at most {LONGEST_DIRECTORY} characters with --run-directory."
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One command at a time works on a stack; a second one says that it waits, and waits."""
        with (self.directory / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.terminal.say("Another command works on this stack; waiting until it is done …")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
