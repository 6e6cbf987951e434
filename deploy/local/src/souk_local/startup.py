# SPDX-License-Identifier: Apache-2.0
"""The steps from nothing to a stack that answers; each may be repeated after an interruption."""

import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from common.roles import migrations_of
from souk_local.commands import run_service_command
from souk_local.console import Terminal
from souk_local.environments import ADMIN_USERNAME, Environments
from souk_local.processes import log_tail
from souk_local.programs import WEBS, WORKERS, programs_of, servers_of
from souk_local.servers import Server, ServerNotReady
from souk_local.supervision import Supervisor
from soukctl import demo
from soukctl.gateway import START_SECONDS, GatewayClient

SERVER_SECONDS = 120.0
STACK_SECONDS = 180.0
POLL_SECONDS = 0.3
TURNS_SECONDS = 20.0
"""After that all that is left starts at once: something that never answers costs no more."""
TURN_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Startup:
    """Starts what is not running yet, in the order in which the parts need each other."""

    environments: Environments
    supervisor: Supervisor
    terminal: Terminal

    def run(self) -> None:
        with self.terminal.step("Writing configuration"):
            self.prepare()
        with self.terminal.step("Starting MariaDB, RabbitMQ and Redis"):
            self.start_servers()
        with self.terminal.step("Migrating the schemas"):
            self.migrate()
        with self.terminal.step("Starting the services, their workers and the gateway"):
            self.start_services()
        with self.terminal.step("Waiting until the gateway is ready"):
            self.wait_until_ready()
        with self.terminal.step("Making the admin and the demo data"):
            self.populate()

    def prepare(self) -> None:
        (self.supervisor.directory / "mail").mkdir(exist_ok=True)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda server: server.prepare(), servers_of(self.environments)))
        if not self.supervisor.is_alive():
            self.supervisor.configure(programs_of(self.environments))
            self.supervisor.start()

    def start_servers(self) -> None:
        """Start the three; the broker, the slowest by far, is awaited only when it is needed."""
        database, broker = self.environments.mariadb, self.environments.rabbitmq
        self.supervisor.begin(broker.epmd.name)
        self._await(broker.epmd)
        self.supervisor.begin(broker.name, database.name, self.environments.redis.name)
        self._await(database)
        database.create_schemas(self.environments.schemas())
        self._await(self.environments.redis)

    def migrate(self) -> None:
        # Half a second, in which the broker has begun to start.
        from common.migrations import migrate_to_head  # noqa: PLC0415

        # What every service's role `migrate` does, in one process: five interpreters that import
        # Alembic would cost the two processors of a small machine as much as all the rest.
        for schema in self.environments.schemas():
            migrate_to_head(self.environments.mariadb.url(schema), migrations_of(schema.name))

    def start_services(self) -> None:
        """Start all, as many at once as there are processors.

        Each imports for a second. All at once would take processors from one another, and from the
        broker, for which everything waits in the end.
        """
        self.supervisor.begin(self.environments.nginx.name)
        deadline = time.monotonic() + TURNS_SECONDS
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda program: self._start(program, deadline), (*WEBS, *WORKERS)))

    def _start(self, program: str, deadline: float) -> None:
        """Start a program and wait for its first answer; if none comes, a later step will tell."""
        self.supervisor.begin(program)
        process = GatewayClient(self.environments.address(program), timeout_seconds=TURNS_SECONDS)
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                process.get("/healthz")
                return
            time.sleep(TURN_POLL_SECONDS)

    def wait_until_ready(self) -> None:
        # Workers that come before the broker wait for it by themselves.
        self._await(self.environments.rabbitmq)
        deadline = time.monotonic() + STACK_SECONDS
        starts: dict[str, set[int]] = {}
        while not (self.supervisor.all_running() and self._client.is_ready()):
            if failing := self.supervisor.failing(starts):
                raise self._not_ready(failing, f"{failing} keeps ending")
            if time.monotonic() > deadline:
                raise ServerNotReady(
                    f"The stack is not ready after {STACK_SECONDS:.0f} s. Its gateway says: "
                    f"{self._client.readiness().body}\nThe logs are in {self._logs}."
                )
            time.sleep(POLL_SECONDS)

    def populate(self) -> None:
        password = self.environments.keyring.admin_password
        client = GatewayClient(self.environments.gateway_url, patience_seconds=START_SECONDS)
        try:
            admin = client.logged_in(ADMIN_USERNAME, password)
        except PermissionError:
            run_service_command("auth", "create-admin", self.environments.admin())
            admin = client.logged_in(ADMIN_USERNAME, password)
        demo.populate(admin, customer_password=self.environments.keyring.demo_password)

    def _await(self, server: Server) -> None:
        starts: dict[str, set[int]] = {}
        try:
            server.wait_until_ready(
                SERVER_SECONDS, lambda: self.supervisor.failing(starts) != server.name
            )
        except ServerNotReady as error:
            raise self._not_ready(server.name, str(error)) from error

    def _not_ready(self, program: str, reason: str) -> ServerNotReady:
        log = self.supervisor.log(program)
        return ServerNotReady(f"{reason}. Its log {log} ends:\n{log_tail(log)}")

    @property
    def _logs(self) -> Path:
        return self.supervisor.directory / "logs"

    @property
    def _client(self) -> GatewayClient:
        return GatewayClient(self.environments.gateway_url)
