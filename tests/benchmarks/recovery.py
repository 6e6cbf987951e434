# SPDX-License-Identifier: Apache-2.0
"""How long the shop is away when a part of it is killed."""

import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import requests

from benchmarks.benchmark import Benchmark, Ratio, Sides
from benchmarks.ground import Ground
from benchmarks.sale import Sale, products, wait_until_quiet
from common.testing import eventually
from souk_local.stack import Stack
from support.shop import Person

SECONDS = 60


@contextmanager
def killed(ground: Ground) -> Iterator[Sides]:
    """From ``kill -9`` to the next good answer; supervisord starts what has ended."""
    [product] = products(ground, 1)
    stack, sale = ground.stack, Sale(ground, [product])
    buyer = ground.shop.sign_up("buyer")
    buyer.expects_documented = False  # what is away is answered for by the gateway
    buyer.asks_again = False

    def until_sold() -> None:
        eventually(lambda: _sells(buyer, product, sale), seconds=SECONDS, what="an order")

    def until_told() -> None:
        until_sold()
        wait_until_quiet(stack, [product])

    yield Sides(
        {
            "catalog": lambda: _away(stack, "catalog-web", until_sold),
            "database": lambda: _away(stack, "mariadb", until_sold),
            "broker": lambda: _away(stack, "rabbitmq", until_told),
        },
        sale.fault,
    )


def _away(stack: Stack, program: str, until: Callable[[], None]) -> float:
    [victim] = [status.pid for status in stack.supervisor.statuses() if status.name == program]
    began = time.monotonic()
    os.killpg(victim, signal.SIGKILL)
    until()
    seconds = time.monotonic() - began
    eventually(stack.supervisor.all_running, seconds=SECONDS, what="every process again")
    return seconds


def _sells(buyer: Person, product: int, sale: Sale) -> bool:
    body = {"items": [{"product": product, "quantity": 1}]}
    try:
        answer = buyer.order(body, secrets.token_hex(12))
    except requests.RequestException:
        return False
    sale.accepted += answer.status_code == 201
    return bool(answer.status_code == 201)


BENCHMARKS = (
    Benchmark(
        id="P15",
        title="recovery from kill -9",
        prepare=killed,
        ratios=[
            Ratio(
                title=title,
                unit="s",
                of=side,
                limits=limits,
                lower_is_better=True,
            )
            for side, title, limits in (
                ("catalog", "catalog's web process is killed: until the next order", (5, 1.5, 0.5)),
                ("database", "MariaDB is killed: until the next order", (30, 15, 8)),
                ("broker", "RabbitMQ is killed: until an order and all events", (30, 10, 5)),
            )
        ],
    ),
)
