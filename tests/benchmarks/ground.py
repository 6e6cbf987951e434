# SPDX-License-Identifier: Apache-2.0
"""What benchmarks stand on: private servers and a whole stack, started when first asked for."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Self

from souk_local.private_servers import PrivateServers
from souk_local.servers import MariaDB, RabbitMQ, Redis
from souk_local.stack import Stack
from support import stacks
from support.shop import Person, Shop

BUYERS = 64


class Ground:
    """Shared by all benchmarks of a run; each makes schemas, products and queues of its own.

    Attributes:
        load_before: The machine's load average before anything was started.
    """

    def __init__(self) -> None:
        self._exits = ExitStack()
        self.load_before = os.getloadavg()[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    @cached_property
    def stack(self) -> Stack:
        """Every process of the product, as ``make up`` starts them."""
        return self._exits.enter_context(stacks.private(Stack, web_workers=1))

    @cached_property
    def servers(self) -> PrivateServers:
        """MariaDB, RabbitMQ and Redis without the product."""
        return self._exits.enter_context(_private_servers())

    @property
    def running(self) -> tuple[MariaDB, RabbitMQ, Redis] | None:
        """The three servers of this run, once they were started."""
        if "stack" in vars(self):
            made = self.stack.environments
            return made.mariadb, made.rabbitmq, made.redis
        if "servers" in vars(self):
            return self.servers.mariadb, self.servers.rabbitmq, self.servers.redis
        return None

    @cached_property
    def shop(self) -> Shop:
        """The stack from outside."""
        return Shop(self.stack.environments.gateway_url, self.stack.directory)

    @cached_property
    def _buyers(self) -> list[Person]:
        return [self.shop.sign_up("buyer") for _ in range(BUYERS)]

    def buyers(self) -> list[Person]:
        """Customers with tokens that have just been made."""
        for buyer in self._buyers:
            buyer.refresh()
        return self._buyers

    @staticmethod
    def size(name: str, default: int) -> int:
        """How large something is made: ``make bench P=P8 PRODUCTS=10000``."""
        return int(os.environ.get(name) or default)


@contextmanager
def _private_servers() -> Iterator[PrivateServers]:
    # A short path: the sockets below it may have no more than 107 characters.
    directory = Path(tempfile.mkdtemp(prefix="souk-"))
    try:
        servers = PrivateServers.start(directory, users=())
        try:
            yield servers
        finally:
            servers.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
