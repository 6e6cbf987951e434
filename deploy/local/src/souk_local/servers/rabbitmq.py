# SPDX-License-Identifier: Apache-2.0
"""A private RabbitMQ: one virtual host, one user per service, small memory, loopback only."""

import base64
import hashlib
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from souk_local.servers.epmd import Epmd
from souk_local.servers.server import LOOPBACK, PROBE_TIMEOUT_SECONDS, Server, write_private

# Not /usr/sbin/rabbitmq-server: that wrapper changes the user and the working directory.
EXECUTABLE = "/usr/lib/rabbitmq/bin/rabbitmq-server"
VIRTUAL_HOST = "souk"
EVERYTHING = ".*"

CONFIGURATION = """\
listeners.tcp.1 = {host}:{port}
load_definitions = {definitions}
vm_memory_high_watermark.absolute = 768MiB
disk_free_limit.absolute = 128MB
raft.wal_max_size_bytes = 33554432
log.file = false
log.console = true
log.console.level = warning
"""

# Two schedulers that sleep instead of spinning: a broker for one machine shares its processors.
ERLANG_ARGUMENTS = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"


@dataclass(frozen=True, kw_only=True)
class RabbitMQ(Server):
    """The broker.

    Args:
        passwords: of the services' users, who may use only their own queues and the exchanges.
        administrators: passwords of users with all rights, for operators and tests.
    """

    name: ClassVar[str] = "rabbitmq"

    port: int
    distribution_port: int
    epmd_port: int
    passwords: Mapping[str, str] = field(repr=False)
    administrators: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def epmd(self) -> Epmd:
        """The name server that must answer before the broker starts."""
        return Epmd(directory=self.directory, port=self.epmd_port)

    @property
    def definitions(self) -> Path:
        return self.directory / "definitions.json"

    def command(self) -> list[str]:
        return [EXECUTABLE]

    def environment(self) -> dict[str, str]:
        home = self.directory
        return {
            "HOME": str(home),  # Erlang keeps its cookie there, readable by the owner only
            "RABBITMQ_NODENAME": "souk@localhost",
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(home / "absent-env.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "absent.config"),
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(home / "rabbitmq.pid"),
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"{ERLANG_ARGUMENTS} -kernel inet_dist_use_interface {{127,0,0,1}}"
            ),
            # Makes the script become the broker instead of staying as its parent, so that
            # signals and kills reach the broker itself.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def prepare(self) -> None:
        super().prepare()
        defined = definitions(self.passwords, self.administrators)
        write_private(self.definitions, json.dumps(defined, indent=2))
        write_private(self.directory / "enabled_plugins", "[].\n")
        text = CONFIGURATION.format(host=LOOPBACK, port=self.port, definitions=self.definitions)
        write_private(self.directory / "rabbitmq.conf", text)

    def is_ready(self) -> bool:
        """Whether the broker greets a client; it listens only after the definitions are loaded."""
        try:
            with socket.create_connection(
                (LOOPBACK, self.port), timeout=PROBE_TIMEOUT_SECONDS
            ) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return connection.recv(1) == b"\x01"  # a method frame: connection.start
        except OSError:
            return False

    def url(self, user: str) -> str:
        """The broker's address for this user."""
        password = self._all_passwords()[user]
        return f"amqp://{user}:{password}@{LOOPBACK}:{self.port}/{VIRTUAL_HOST}"

    def _all_passwords(self) -> dict[str, str]:
        return {**self.passwords, **self.administrators}


def definitions(
    passwords: Mapping[str, str], administrators: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The virtual host with its users, as the broker loads them; no password is readable in it."""
    administrators = administrators or {}
    own = {user: own_queues_and_exchanges(user) for user in passwords}
    rights = own | dict.fromkeys(administrators, EVERYTHING)
    return {
        "vhosts": [{"name": VIRTUAL_HOST}],
        "users": [
            {
                "name": user,
                "password_hash": password_hash(password),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": "administrator" if user in administrators else "",
            }
            for user, password in {**passwords, **administrators}.items()
        ],
        "permissions": [
            {
                "user": user,
                "vhost": VIRTUAL_HOST,
                "configure": pattern,
                "write": pattern,
                "read": pattern,
            }
            for user, pattern in rights.items()
        ],
    }


def own_queues_and_exchanges(user: str) -> str:
    """The pattern of the names that a service's user may configure, write and read."""
    return rf"^({user}\..*|souk\.(events|dead))$"


def password_hash(password: str, salt: bytes | None = None) -> str:
    """The password as RabbitMQ stores it: base64 of a four-byte salt and the salted SHA-256."""
    salt = salt or os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
