# SPDX-License-Identifier: Apache-2.0
"""Erlang's name server, which RabbitMQ cannot boot without.

Erlang would start one by itself as a daemon that nobody supervises and that outlives the
broker.  A private one in the foreground, started first, stops with the stack.
"""

from dataclasses import dataclass
from typing import ClassVar

from souk_local.servers.server import LOOPBACK, Server, accepts_connections


@dataclass(frozen=True, kw_only=True)
class Epmd(Server):
    name: ClassVar[str] = "epmd"
    stop_seconds: ClassVar[int] = 5

    port: int

    def command(self) -> list[str]:
        return ["epmd", "-address", LOOPBACK, "-port", str(self.port)]

    def is_ready(self) -> bool:
        return accepts_connections(self.port)
