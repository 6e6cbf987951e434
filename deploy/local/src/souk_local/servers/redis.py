# SPDX-License-Identifier: Apache-2.0
"""A private Redis: a cache that forgets everything when it stops, as the design wants it."""

import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from souk_local.servers.server import LOOPBACK, PROBE_TIMEOUT_SECONDS, Server, write_private

WELCOME = b"+OK\r\n+PONG\r\n"
CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir {directory}
daemonize no
save ""
appendonly no
maxmemory {memory_mb}mb
maxmemory-policy allkeys-lru
tcp-backlog 128
"""


@dataclass(frozen=True, kw_only=True)
class Redis(Server):
    name: ClassVar[str] = "redis"
    stop_seconds: ClassVar[int] = 10

    port: int
    password: str = field(repr=False)
    memory_mb: int = 64

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    @property
    def configuration(self) -> Path:
        return self.directory / "redis.conf"

    def command(self) -> list[str]:
        return ["redis-server", str(self.configuration)]

    def prepare(self) -> None:
        super().prepare()
        text = CONFIGURATION.format(
            host=LOOPBACK,
            port=self.port,
            password=self.password,
            directory=self.directory,
            memory_mb=self.memory_mb,
        )
        write_private(self.configuration, text)

    def is_ready(self) -> bool:
        try:
            with socket.create_connection(
                (LOOPBACK, self.port), timeout=PROBE_TIMEOUT_SECONDS
            ) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                return connection.makefile("rb").read(len(WELCOME)) == WELCOME
        except OSError:
            return False
