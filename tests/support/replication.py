# SPDX-License-Identifier: Apache-2.0
"""Two private databases, the second a read-only copy of the first by the server's own means."""

import secrets
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, text

from common.testing import eventually
from souk_local import packages
from souk_local.ports import free_ports
from souk_local.processes import ServerProcess
from souk_local.servers import MariaDB, Schema

START_SECONDS = 60
PRIMARY, COPY = 1, 2
"""What each calls itself as ``@@server_id``."""


@dataclass
class Replication:
    """A primary, its copy, and what may happen to the copy."""

    primary: MariaDB
    copy: MariaDB
    process: ServerProcess

    def create_schema(self, name: str) -> tuple[str, str]:
        """A schema with its user, on both; their addresses."""
        schema = Schema(f"{name}_{secrets.token_hex(4)}", secrets.token_hex(16))
        self.primary.create_schemas([schema])
        self.catch_up()
        return self.primary.url(schema), self.copy.url(schema)

    def catch_up(self) -> None:
        """Go on copying, until all is there that the primary has."""
        self.ask(self.copy, "START SLAVE")
        position = self.ask(self.primary, "SELECT @@gtid_binlog_pos")[0][0]
        waits = f"SELECT MASTER_GTID_WAIT('{position}', {START_SECONDS})"
        assert self.ask(self.copy, waits) == [(0,)]

    def fall_behind(self) -> None:
        """Copy nothing from now on."""
        self.ask(self.copy, "STOP SLAVE")

    def hang(self) -> None:
        """Stop it; each of its threads does one more thing if it has been told to before."""
        self.process.process.send_signal(signal.SIGSTOP)
        eventually(self._stands, what="the copy stands still")

    def _stands(self) -> bool:
        tasks = Path(f"/proc/{self.process.process.pid}/task").glob("*/stat")
        # What comes after the name in parentheses begins with the state.
        return all(task.read_text().rpartition(")")[2].split()[0] == "T" for task in tasks)

    def go_on(self) -> None:
        self.process.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.process.stop()

    def start(self) -> None:
        self.process = ServerProcess.start(self.copy)
        self.process.wait_until_ready(START_SECONDS)
        self.ask(self.copy, "SET GLOBAL read_only = 1")

    def end(self) -> None:
        self.go_on()
        self.stop()

    def ask(self, server: MariaDB, statement: str) -> list[tuple[Any, ...]]:
        """What *server* answers to its administrator."""
        root = f"root:{server.root_password}@127.0.0.1:{server.port}"
        engine = create_engine(f"mysql+pymysql://{root}/mysql", poolclass=NullPool)
        with engine.connect() as connection:
            result = connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []


@pytest.fixture(scope="session")
def replication(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replication]:
    """Two real servers, started when the first test asks for them."""
    with replicated(tmp_path_factory.mktemp("replication")) as pair:
        yield pair


@contextmanager
def replicated(directory: Path) -> Iterator[Replication]:
    """A primary and its copy below *directory*, on free ports."""
    packages.ensure_installed(["mariadb-server"])
    password = secrets.token_hex(16)
    primary, copy = (
        MariaDB(
            directory=directory / f"mariadb{number}",
            port=port,
            root_password=password,
            binary_log=True,
            server_id=number,
        )
        for number, port in zip((PRIMARY, COPY), free_ports(2), strict=True)
    )
    with ExitStack() as running:
        first = ServerProcess.start(primary)
        running.callback(first.stop)
        pair = Replication(primary, copy, ServerProcess.start(copy))
        running.callback(pair.end)
        first.wait_until_ready(START_SECONDS)
        pair.process.wait_until_ready(START_SECONDS)
        _follow(pair, password)
        yield pair


def _follow(pair: Replication, password: str) -> None:
    # From here on: what each server did for itself at its start stays its own.
    position = pair.ask(pair.primary, "SELECT @@gtid_binlog_pos")[0][0]
    source = (
        f"CHANGE MASTER TO master_host = '127.0.0.1', master_port = {pair.primary.port},"
        f" master_user = 'root', master_password = '{password}', master_use_gtid = slave_pos,"
        " master_connect_retry = 1"
    )
    for statement in (
        "RESET MASTER",
        f"SET GLOBAL gtid_slave_pos = '{position}'",
        source,
        "SET GLOBAL read_only = 1",
        "START SLAVE",
    ):
        pair.ask(pair.copy, statement)
    eventually(lambda: pair.ask(pair.copy, "SELECT @@gtid_slave_pos"), what="the copy has begun")
