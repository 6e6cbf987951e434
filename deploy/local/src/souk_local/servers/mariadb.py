# SPDX-License-Identifier: Apache-2.0
"""A private MariaDB that keeps our promise of durability and little memory."""

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pymysql
from pymysql.connections import Connection
from pymysql.converters import escape_string
from pymysql.cursors import Cursor

from souk_local.executables import executable
from souk_local.servers.server import (
    LOOPBACK,
    PROBE_TIMEOUT_SECONDS,
    Server,
    ServerNotReady,
    write_private,
)

INSTALLATION_LINES = 20

# The names are the server's own.  innodb_flush_log_at_trx_commit stays 1 whatever the speed:
# "never lost an order" ends with the log that was not flushed.
OPTIONS = {
    "bind-address": LOOPBACK,
    "skip-name-resolve": "1",
    "character-set-server": "utf8mb4",
    "collation-server": "utf8mb4_unicode_ci",
    "default-time-zone": "+00:00",
    "transaction-isolation": "READ-COMMITTED",
    "innodb-flush-log-at-trx-commit": "1",
    "innodb-buffer-pool-size": "128M",
    "innodb-log-file-size": "64M",
    "innodb-lock-wait-timeout": "5",
    "max-connections": "300",
    "performance-schema": "OFF",
}
BINARY_LOG = {"log-bin": "binlog", "sync-binlog": "1", "binlog-format": "ROW"}

# Runs at each start before the first client gets in, so root never has an empty password.
INIT = """\
CREATE USER IF NOT EXISTS 'root'@'127.0.0.1';
ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY '{password}';
GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}';
DELETE FROM mysql.global_priv WHERE User = '';
DELETE FROM mysql.global_priv WHERE User = 'root' AND Host NOT IN ('localhost', '127.0.0.1');
FLUSH PRIVILEGES;
"""


@dataclass(frozen=True)
class Schema:
    """A schema and the only user with rights on it; both bear the service's name."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class MariaDB(Server):
    name: ClassVar[str] = "mariadb"
    stop_seconds: ClassVar[int] = 60

    port: int
    root_password: str = field(repr=False)
    binary_log: bool = False
    server_id: int = 1

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def temporary(self) -> Path:
        """Its own: a server that starts deletes the temporary tables that it finds, whosever."""
        return self.directory / "tmp"

    @property
    def init_file(self) -> Path:
        return self.directory / "init.sql"

    def command(self) -> list[str]:
        # A relative socket is made in the data directory, so a deep checkout never meets the
        # 107 characters that the kernel allows for a socket's path.
        options = {**OPTIONS, **(BINARY_LOG if self.binary_log else {})} | {
            "datadir": str(self.data),
            "tmpdir": str(self.temporary),
            "socket": "mariadb.sock",
            "pid-file": str(self.directory / "mariadb.pid"),
            "port": str(self.port),
            "server-id": str(self.server_id),
            "init-file": str(self.init_file),
        }
        if os.geteuid() == 0:
            options["user"] = "root"  # mariadbd refuses to run as root unless told so
        return [
            "mariadbd",
            "--no-defaults",
            *(f"--{name}={value}" for name, value in options.items()),
        ]

    def prepare(self) -> None:
        super().prepare()
        self.temporary.mkdir(mode=0o700, exist_ok=True)
        write_private(self.init_file, INIT.format(password=escape_string(self.root_password)))
        if not self.data.exists():
            self._install_system_tables()

    def _install_system_tables(self) -> None:
        # Under another name until it is complete: an interrupted first start is begun anew.
        draft = self.directory / "data.incomplete"
        subprocess.run(["rm", "-rf", str(draft)], check=True)
        command = [
            executable("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={draft}",
            f"--tmpdir={self.temporary}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *(["--user=root"] if os.geteuid() == 0 else []),
        ]
        result = subprocess.run(
            command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if result.returncode:
            # What went wrong comes first; pages of general advice follow.
            reason = "\n".join(result.stdout.splitlines()[:INSTALLATION_LINES])
            raise ServerNotReady(f"mariadb-install-db failed ({result.returncode}):\n{reason}")
        draft.rename(self.data)

    def is_ready(self) -> bool:
        try:
            self._connect().close()
        except pymysql.MySQLError:
            return False
        return True

    def create_schemas(self, schemas: Iterable[Schema]) -> None:
        """Make these schemas with one user each, and set the users' passwords; safe to repeat."""
        with self._connect() as connection, connection.cursor() as cursor:
            for schema in schemas:
                name, password = schema.name, schema.password
                cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4")
                cursor.execute(f"CREATE USER IF NOT EXISTS `{name}`@`%%`", ())
                cursor.execute(f"ALTER USER `{name}`@`%%` IDENTIFIED BY %s", (password,))
                cursor.execute(f"GRANT ALL PRIVILEGES ON `{name}`.* TO `{name}`@`%%`", ())

    def url(self, schema: Schema) -> str:
        """The SQLAlchemy address of a schema for its own user."""
        return (
            f"mysql+pymysql://{schema.name}:{schema.password}@{LOOPBACK}:{self.port}/{schema.name}"
        )

    def _connect(self) -> "Connection[Cursor]":
        return pymysql.connect(
            host=LOOPBACK,
            port=self.port,
            user="root",
            password=self.root_password,
            connect_timeout=int(PROBE_TIMEOUT_SECONDS),
            read_timeout=10,
            autocommit=True,
            ssl_disabled=True,  # it offers none; a context for it takes 40 ms of the processor
        )
