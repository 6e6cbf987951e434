# SPDX-License-Identifier: Apache-2.0
"""What it costs that an order happens once and is told of."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from benchmarks.benchmark import Benchmark, Ratio, Sides
from benchmarks.ground import Ground
from benchmarks.sale import Sale, products, wait_until_settled
from common.testing import eventually
from souk_local.ports import free_ports
from souk_local.stack import Stack
from support.databases import as_root

CLIENTS = 64
TESTS = Path(__file__).parents[1]


@contextmanager
def with_and_without(ground: Ground) -> Iterator[Sides]:
    """Orders' own process and its double, both asked past the gateway."""
    ours, unsafe = products(ground, 2)
    environments = ground.stack.environments
    with _without(ground.stack) as url:
        sale = Sale(ground, [ours], url=environments.service("catalog")["ORDERS_URL"])
        other = Sale(ground, [unsafe], url=url)

        def without() -> float:
            load = other.rush(CLIENTS)
            other.come_last()
            wait_until_settled(ground.stack)
            _deliver(ground.stack, unsafe)
            return load.rate

        yield Sides(
            {"with": lambda: sale.round("with", CLIENTS), "without": without},
            lambda: sale.fault() or other.fault(),
        )


@contextmanager
def _without(stack: Stack) -> Iterator[str]:
    environment = stack.environments.service("orders")
    [port] = free_ports(1)
    command = [sys.executable, "-m", "gunicorn", "--config", "python:common.gunicorn"]
    command += ["--bind", f"127.0.0.1:{port}", "--workers", environment["WEB_WORKERS"]]
    command += ["--threads", environment["WEB_THREADS"], "benchmarks.unsafe:create_app()"]
    with tempfile.TemporaryDirectory() as metrics:
        own = {"PYTHONPATH": str(TESTS), "PROMETHEUS_MULTIPROC_DIR": metrics}
        double = subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"]} | environment | own,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: _answers(url), seconds=30, what="the double")
            yield url
        finally:
            double.terminate()
            double.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=1).ok
    except requests.RequestException:
        return False


def _deliver(stack: Stack, product: int) -> None:
    """Sell by hand what nobody was told of: else catalog asks for these orders again and again."""
    with as_root(stack.environments.mariadb, "catalog") as cursor:
        cursor.execute(
            "UPDATE stock SET on_hand = on_hand - reserved, reserved = 0 WHERE product_id = %s",
            (product,),
        )
        cursor.execute(
            "UPDATE reservations SET status = 'sold', settled_at = UTC_TIMESTAMP(6)"
            " WHERE status = 'reserved' AND wish LIKE %s",
            (f"%[[{product},1]]%",),
        )


BENCHMARKS = (
    Benchmark(
        id="P5",
        title="the cost of safety",
        prepare=with_and_without,
        ratios=[
            Ratio(
                title="orders of one product by 64 clients: with / without outbox and keys",
                unit="orders/s",
                of="with",
                to="without",
                limits=(0.6, 0.8, 0.9),
            )
        ],
    ),
)
