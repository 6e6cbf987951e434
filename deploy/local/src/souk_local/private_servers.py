# SPDX-License-Identifier: Apache-2.0
"""MariaDB, RabbitMQ and Redis on free ports, for tests on a machine without Docker."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from souk_local import packages
from souk_local.ports import free_ports
from souk_local.processes import ServerProcess
from souk_local.servers import MariaDB, RabbitMQ, Redis, Server

START_SECONDS = 90


@dataclass(frozen=True)
class PrivateServers:
    """The three servers and their processes by name (``epmd`` belongs to the broker)."""

    mariadb: MariaDB
    rabbitmq: RabbitMQ
    redis: Redis
    processes: dict[str, ServerProcess]

    @classmethod
    def start(
        cls,
        directory: Path,
        *,
        users: Iterable[str],
        administrator: str = "tests",
        binary_log: bool = False,
    ) -> Self:
        """Start all three below *directory* and wait until they answer.

        Args:
            directory: its data is kept, so a second start finds what the first one stored.
            users: the broker's users with the rights of a service.
            administrator: the broker's user with all rights.
            binary_log: whether MariaDB writes one.
        """
        packages.ensure_installed(["mariadb-server", "rabbitmq-server", "redis-server"])
        database, broker, distribution, epmd, cache = free_ports(5)
        servers = cls(
            MariaDB(
                directory=directory / "mariadb",
                port=database,
                root_password=_password(),
                binary_log=binary_log,
            ),
            RabbitMQ(
                directory=directory / "rabbitmq",
                port=broker,
                distribution_port=distribution,
                epmd_port=epmd,
                passwords={user: _password() for user in users},
                administrators={administrator: _password()},
            ),
            Redis(directory=directory / "redis", port=cache, password=_password()),
            {},
        )
        try:
            servers._start_all()
        except BaseException:
            servers.stop()
            raise
        return servers

    def restart(self, name: str) -> None:
        """Start a server again that was stopped or killed, and wait until it answers."""
        self._begin(self.processes[name].server)
        self.processes[name].wait_until_ready(START_SECONDS)

    def stop(self) -> None:
        """Stop everything; the broker goes before its name server."""
        for process in reversed(self.processes.values()):
            process.stop()

    def _start_all(self) -> None:
        self._begin(self.rabbitmq.epmd)
        self.processes["epmd"].wait_until_ready(START_SECONDS)
        for server in (self.rabbitmq, self.redis, self.mariadb):  # the slowest first
            self._begin(server)
        for process in self.processes.values():
            process.wait_until_ready(START_SECONDS)

    def _begin(self, server: Server) -> None:
        self.processes[server.name] = ServerProcess.start(server)


def _password() -> str:
    return secrets.token_hex(16)
