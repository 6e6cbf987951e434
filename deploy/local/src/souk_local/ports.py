# SPDX-License-Identifier: Apache-2.0
"""The loopback ports of one stack: the documented ones, or any free ones for tests."""

import os
import random
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import Self

from souk_local.servers.server import LOOPBACK

# Below the range from which the kernel takes ports for outgoing connections, so that nobody's
# client can take a port between our finding it free and the server's binding it.
FREE_RANGE = range(20_000, 32_000)
ATTEMPTS = 1_000


class NoFreePort(Exception):
    """Every port that was tried is taken."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    gateway: int = 8080
    auth: int = 9101
    catalog: int = 9102
    orders: int = 9103
    notifier: int = 9104
    analytics: int = 9105
    auth_worker: int = 9201
    catalog_worker: int = 9202
    orders_worker: int = 9203
    notifier_worker: int = 9204
    analytics_worker: int = 9205
    shipper: int = 9206
    mariadb: int = 9306
    redis: int = 9379
    rabbitmq: int = 9672
    rabbitmq_distribution: int = 9673
    epmd: int = 9674

    @classmethod
    def default(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The documented ports; GATEWAY_PORT=8081 and the like replace single ones.

        Raises:
            ValueError: a variable is not a port's number.
        """
        chosen = {
            field.name: _number(variable(field.name), environment[variable(field.name)])
            for field in fields(cls)
            if variable(field.name) in environment
        }
        return cls(**chosen)

    @classmethod
    def free(cls) -> Self:
        """Ports that nothing listens on now."""
        names = [field.name for field in fields(cls)]
        return cls(**dict(zip(names, free_ports(len(names)), strict=True)))

    def by_name(self) -> dict[str, int]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def variable(name: str) -> str:
    """The environment variable that replaces this port."""
    return f"{name.upper()}_PORT"


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with _listener() as candidate:
        return _binds(candidate, port)


def free_port() -> int:
    """A port that nothing listens on now."""
    [port] = free_ports(1)
    return port


def free_ports(count: int) -> list[int]:
    """That many different free ports."""
    found: list[int] = []
    with ExitStack() as held:
        for port in random.SystemRandom().sample(FREE_RANGE, ATTEMPTS):
            if len(found) == count:
                break
            candidate = held.enter_context(_listener())
            if _binds(candidate, port):
                found.append(port)
    if len(found) < count:
        raise NoFreePort(f"Fewer than {count} free ports among {ATTEMPTS} tried.")
    return found


def _listener() -> socket.socket:
    listener = socket.socket()
    # As servers do: a port whose last connections still linger counts as free.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return listener


def _binds(listener: socket.socket, port: int) -> bool:
    try:
        listener.bind((LOOPBACK, port))
    except OSError:
        return False
    return True


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65_536:  # noqa: PLR2004
        raise ValueError(f"{name} must be a port's number, not {text!r}.")
    return int(text)
