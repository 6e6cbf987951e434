# SPDX-License-Identifier: Apache-2.0
"""The whole stack on this machine: up, down, purge, status."""

import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from souk_local import demo, leftovers, packages, port_holders
from souk_local.commands import run_service_command
from souk_local.console import ProcessLine, Terminal
from souk_local.environments import ADMIN_EMAIL, ADMIN_USERNAME, Environments
from souk_local.executables import executable
from souk_local.http_client import GatewayClient
from souk_local.keyring import SERVICES, Keyring
from souk_local.memory import resident_bytes_by_group
from souk_local.ports import Ports
from souk_local.processes import environment_of, log_tail
from souk_local.servers import Epmd, MariaDB, RabbitMQ, Redis, Server, ServerNotReady
from souk_local.servers.server import write_private
from souk_local.supervision import Program, Supervisor

SERVER_SECONDS = 60.0
STACK_SECONDS = 90.0
POLL_SECONDS = 0.1
LAST_TO_STOP = {Epmd.name, MariaDB.name, RabbitMQ.name, Redis.name}
LONGEST_DIRECTORY = 85  # a unix socket's path has at most 107 characters


class DirectoryTooLong(Exception):
    """The run directory's path leaves no room for the sockets in it."""


@dataclass(frozen=True)
class Stack:
    """One private stack; everything of it lies in *directory*.

    Args:
        gateway: the repository's gateway folder, with the nginx template.
    """

    directory: Path
    ports: Ports
    gateway: Path
    terminal: Terminal = field(default_factory=Terminal)

    def __post_init__(self) -> None:
        if len(os.fsencode(self.directory)) > LONGEST_DIRECTORY:
            raise DirectoryTooLong(
                f"{self.directory} is too long for the sockets in it; choose a directory "
                f"of at most {LONGEST_DIRECTORY} characters with --run-directory."
            )

    @cached_property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.directory)

    @cached_property
    def keyring(self) -> Keyring:
        return Keyring.of(self.directory)

    @cached_property
    def environments(self) -> Environments:
        return Environments(self.directory, self.ports, self.keyring, self.gateway)

    def up(self) -> None:
        """Bring the stack up, or find it up; safe to repeat and to interrupt.

        Raises:
            PackagesMissing, PortTaken, ServerNotReady, CommandFailed, DemoRefused: with a message
                that says what to do.
        """
        self.directory.mkdir(mode=0o700, exist_ok=True)
        with self._alone():
            if self._is_up_as_configured():
                self.terminal.say("The stack is up already; nothing was changed.")
            else:
                self._bring_up()
            self._write_credentials()

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

    def status(self) -> list[ProcessLine]:
        """Every process of the stack; none when it is down."""
        if not self.supervisor.is_alive():
            return []
        memory = resident_bytes_by_group()
        return [
            ProcessLine(s.name, s.state, s.pid, s.uptime_seconds, memory[s.pid] if s.pid else 0)
            for s in self.supervisor.statuses()
        ]

    def _bring_up(self) -> None:
        with self.terminal.step("Checking the servers' packages"):
            packages.ensure_installed()
        with self.terminal.step("Writing secrets and configuration"):
            self._prepare()
        with self.terminal.step("Starting MariaDB, RabbitMQ and Redis"):
            self._start_servers()
        with self.terminal.step("Migrating the schemas"):
            self._migrate()
        with self.terminal.step("Starting the services, their workers and the gateway"):
            self._start_services()
        with self.terminal.step("Waiting until the gateway is ready"):
            self._wait_until_ready()
        with self.terminal.step("Making the admin and the demo data"):
            self._populate()

    def _is_up_as_configured(self) -> bool:
        return (
            self.supervisor.is_alive()
            and not packages.missing()
            and self.supervisor.is_configured(self._programs())
            and all(status.is_running for status in self.supervisor.statuses())
            and self._client.is_ready()
        )

    def _prepare(self) -> None:
        programs = self._programs()
        if not (self.supervisor.is_alive() and self.supervisor.is_configured(programs)):
            self._stop()
            port_holders.refuse_taken(self.ports.by_name())
        (self.directory / "mail").mkdir(exist_ok=True)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda server: server.prepare(), self._servers()))
        if not self.supervisor.is_alive():
            self.supervisor.configure(programs)
            self.supervisor.start()

    def _start_servers(self) -> None:
        database, broker = self.environments.mariadb, self.environments.rabbitmq
        self.supervisor.begin(broker.epmd.name)
        self._await(broker.epmd)
        self.supervisor.begin(broker.name, database.name, self.environments.redis.name)
        self._await(database)
        database.create_schemas(self.environments.schemas())
        self._await(self.environments.redis)

    def _migrate(self) -> None:
        # Side by side: each spends most of its time with imports and waiting for the database,
        # while the broker, the slowest of all, goes on starting.
        with ThreadPoolExecutor() as pool:
            list(
                pool.map(
                    lambda service: run_service_command(
                        service, "migrate", self.environments.service(service)
                    ),
                    SERVICES,
                )
            )

    def _start_services(self) -> None:
        self.supervisor.begin(self.environments.nginx.name)
        self.supervisor.begin(*(f"{service}-web" for service in SERVICES))
        self._await(self.environments.rabbitmq)
        self.supervisor.begin(*(f"{service}-worker" for service in SERVICES), "shipper")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + STACK_SECONDS
        starts: dict[str, set[int]] = {}
        while not (self._client.is_ready() and self._all_running()):
            if failing := self.supervisor.failing(starts):
                raise self._not_ready(failing, f"{failing} keeps ending")
            if time.monotonic() > deadline:
                raise ServerNotReady(
                    f"The stack is not ready after {STACK_SECONDS:.0f} s. Its gateway says: "
                    f"{self._client.readiness()}\nThe logs are in {self.directory / 'logs'}."
                )
            time.sleep(POLL_SECONDS)

    def _populate(self) -> None:
        run_service_command("auth", "create-admin", self.environments.admin())
        admin = self._client.logged_in(ADMIN_USERNAME, self.keyring.admin_password)
        demo.populate(admin, customer_password=self.keyring.demo_password)

    def _stop(self) -> None:
        if self.supervisor.is_alive():
            names = [status.name for status in self.supervisor.statuses()]
            self.supervisor.end(*(name for name in names if name not in LAST_TO_STOP))
            self.supervisor.shut_down()
        leftovers.end(self.directory)

    def _await(self, server: Server) -> None:
        def is_running() -> bool:
            return self.supervisor.failing(starts) != server.name

        starts: dict[str, set[int]] = {}
        try:
            server.wait_until_ready(SERVER_SECONDS, is_running)
        except ServerNotReady as error:
            raise self._not_ready(server.name, str(error)) from error

    def _not_ready(self, program: str, reason: str) -> ServerNotReady:
        log = self.supervisor.log(program)
        return ServerNotReady(f"{reason}. Its log {log} ends:\n{log_tail(log)}")

    def _all_running(self) -> bool:
        return all(status.is_running for status in self.supervisor.statuses())

    @property
    def _client(self) -> GatewayClient:
        return GatewayClient(self.environments.gateway_url)

    def _servers(self) -> list[Server]:
        known = self.environments
        return [known.rabbitmq.epmd, known.rabbitmq, known.mariadb, known.redis, known.nginx]

    def _programs(self) -> list[Program]:
        python = [sys.executable, "-P", "-m"]
        services = [
            Program(
                name=f"{service}-{role}",
                command=[*python, service, role],
                environment=self.environments.service(service),
                stops_as_group=True,
            )
            for service in SERVICES
            for role in ("web", "worker")
        ]
        shipper = Program(
            name="shipper",
            command=[*python, "shipper"],
            environment=self.environments.shipper(),
            stops_as_group=True,
        )
        return [*map(_program_of, self._servers()), *services, shipper]

    def _write_credentials(self) -> None:
        admin = {
            "username": ADMIN_USERNAME,
            "email": ADMIN_EMAIL,
            "password": self.keyring.admin_password,
        }
        credentials = {"gateway": self.environments.gateway_url, "admin": admin}
        path = self.directory / "credentials.json"
        write_private(path, json.dumps(credentials, indent=2) + "\n")

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


def _program_of(server: Server) -> Program:
    program, *arguments = server.command()
    return Program(
        name=server.name,
        command=[executable(program), *arguments],
        environment=environment_of(server),
        stop_signal=server.stop_signal,
        stop_seconds=server.stop_seconds,
    )
