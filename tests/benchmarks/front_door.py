# SPDX-License-Identifier: Apache-2.0
"""What it costs that the shop is there: its start, its memory, and a crowd at its door."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from benchmarks.benchmark import Benchmark, Ratio, Sides
from benchmarks.ground import Ground
from benchmarks.load import gets
from souk_local.keyring import SERVICES
from souk_local.ports import variable
from souk_local.stack import Stack
from support import stacks

FEW, CROWD = 16, 512
LIST = "/v1/products?limit=10"
MEGABYTE = 1024 * 1024


@contextmanager
def cold(_ground: Ground) -> Iterator[Sides]:
    """A stack of its own that is stopped and started as ``make up`` does it, with its data kept."""
    with stacks.private(Stack, web_workers=1) as stack:
        ports = {variable(name): str(port) for name, port in stack.ports.by_name().items()}
        command = [sys.executable, "-P", "-m", "souk_local"]
        up = [*command, "--run-directory", str(stack.directory), "up"]

        def start() -> dict[str, float]:
            stack.down()
            began = time.monotonic()
            subprocess.run(up, check=True, env=os.environ | ports, stdout=subprocess.DEVNULL)
            return {"start": time.monotonic() - began, "memory": _megabytes(stack)}

        yield Sides({"a cold start": start})


@contextmanager
def crowded(ground: Ground) -> Iterator[Sides]:
    """A page that no cache has: every request goes through to catalog."""
    url, odd = ground.shop.url, dict[str, int]()

    def ask(clients: int) -> float:
        load = gets(url, [LIST], clients=clients)
        odd.update(load.odd)
        # wrk leaves its last requests behind, and this one comes after them.
        requests.get(url + LIST, timeout=60).raise_for_status()
        return load.rate

    rounds = {
        f"{clients} clients": lambda clients=clients: ask(clients) for clients in (FEW, CROWD)
    }
    yield Sides(rounds, lambda: f"not every request was answered: {odd}" if odd else None)


def _megabytes(stack: Stack) -> float:
    """What web processes and workers of the five services hold, shared pages counted once."""
    ours = {f"{service}-{role}" for service in SERVICES for role in ("web", "worker")}
    return sum(line.memory_bytes for line in stack.status() if line.name in ours) / MEGABYTE


BENCHMARKS = (
    Benchmark(
        id="P18",
        title="a cold start, and memory after it",
        prepare=cold,
        rounds=3,
        ratios=[
            Ratio(
                title="`make up` after `make down`, until everything is ready",
                unit="s",
                of="start",
                limits=(30, 10, 5),
                lower_is_better=True,
            ),
            Ratio(
                title="idle memory of the five services with their workers",
                unit="MB",
                of="memory",
                limits=(800, 500, 350),
                lower_is_better=True,
            ),
        ],
    ),
    Benchmark(
        id="P4b",
        title="a crowd that reads",
        prepare=crowded,
        ratios=[
            Ratio(
                title="uncached lists of products: 512 clients / 16 clients",
                unit="pages/s",
                of="512 clients",
                to="16 clients",
                limits=(0.7, 0.9, 1.0),
            )
        ],
    ),
)
