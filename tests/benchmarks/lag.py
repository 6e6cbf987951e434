# SPDX-License-Identifier: Apache-2.0
"""How long an event is on its way: from the beginning of its commit until a reader has it."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Event as Signal
from threading import Thread

from benchmarks.benchmark import Benchmark, Ratio, Sides
from benchmarks.events import QUEUE, SERVICE, TOPOLOGY, Queue, new_schema, placed
from benchmarks.ground import Ground
from common import outbox
from common.amqp import Consumer
from common.bell import ring
from common.db import Database
from common.testing import eventually
from souk_local.ports import free_ports

RUNG, LOOKED, LOADED = "idle, with the bell", "idle, without it", "at 80 % load"
EVENTS = 12
GAPS = (0.1, 0.3)
"""Seconds: so long a relay needs until it looks as seldom as it ever does."""
TOGETHER = 10
BURST, LOAD = 2000, 0.8


class Reader:
    """Notes when each event arrives, in a thread of its own."""

    def __init__(self, url: str) -> None:
        self.arrivals: dict[str, float] = {}
        self._url = url
        self._stop = Signal()
        self._thread = Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        consumer = Consumer(self._url, "bench", queues=[QUEUE], exchange=TOPOLOGY.exchange)
        while not self._stop.is_set():
            batch = consumer.receive(wait=0.5)
            now = time.perf_counter()
            self.arrivals.update({str(one.properties.message_id): now for one in batch})
            consumer.acknowledge(batch)
        consumer.close()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


class Teller:
    """A process that tells events, and the relay of its service."""

    def __init__(self, database: Database, url: str, reader: Reader, port: int | None) -> None:
        self._reader = reader
        told = partial(ring, "127.0.0.1", port) if port else None
        address = database.engine.url.render_as_string(hide_password=False)
        self._database = Database(address, on_told=told)
        settings = {"DATABASE_URL": address, "AMQP_URL": url}
        self._relay = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.relay_process"],
            env={**os.environ, **settings, **({"WORKER_PORT": str(port)} if port else {})},
        )
        self._lags([1], [0.0])

    def one_by_one(self) -> float:
        """The longest lag of some events that come now and then."""
        gaps = [random.uniform(*GAPS) for _ in range(EVENTS)]
        return max(self._lags([1] * EVENTS, gaps))

    def capacity(self) -> float:
        """Events a second that get through when all are told at once."""
        began = time.perf_counter()
        self._lags([TOGETHER] * (BURST // TOGETHER), [0.0] * (BURST // TOGETHER))
        return BURST / (time.perf_counter() - began)

    def under_load(self, rate: float) -> float:
        """The lag that one of a hundred events exceeds at *rate* events a second."""
        count = BURST // TOGETHER
        lags = sorted(self._lags([TOGETHER] * count, [TOGETHER / rate] * count))
        return lags[int(0.99 * len(lags))]

    def _lags(self, sizes: Sequence[int], gaps: Sequence[float]) -> list[float]:
        told: dict[str, float] = {}
        due = time.perf_counter()
        for size, gap in zip(sizes, gaps, strict=True):
            due += gap
            time.sleep(max(0.0, due - time.perf_counter()))
            envelopes = placed(size)
            told |= dict.fromkeys((str(one.id) for one in envelopes), time.perf_counter())
            self._database.run(outbox.append_all, envelopes)
        eventually(lambda: told.keys() <= self._reader.arrivals.keys(), seconds=60)
        return [self._reader.arrivals[one] - at for one, at in told.items()]

    def close(self) -> None:
        self._relay.terminate()
        self._relay.wait()
        self._database.dispose()


@contextmanager
def lagging(ground: Ground) -> Iterator[Sides]:
    url = ground.servers.rabbitmq.url("tests")
    queue, reader, (port,) = Queue(url), Reader(url), free_ports(1)
    databases = [new_schema(ground, f"{SERVICE}_{name}") for name in ("rung", "looked")]
    rung = Teller(databases[0], url, reader, port)
    looked = Teller(databases[1], url, reader, None)
    rate = LOAD * min(rung.capacity() for _ in range(3))
    yield Sides(
        {
            RUNG: rung.one_by_one,
            LOOKED: looked.one_by_one,
            LOADED: lambda: {LOADED: rung.under_load(rate), "events/s told": rate},
        }
    )
    for one in (rung, looked, reader, queue):
        one.close()
    for database in databases:
        database.dispose()


BENCHMARKS = (
    Benchmark(
        id="P16",
        title="an event's way from its commit to a reader",
        prepare=lagging,
        ratios=[
            Ratio(
                title=f"{what}, {how}",
                unit="s",
                of=how,
                limits=limits,
                lower_is_better=True,
            )
            for what, how, limits in (
                (f"the slowest of {EVENTS}", RUNG, (0.5, 0.1, 0.025)),
                (f"the slowest of {EVENTS}", LOOKED, (0.5, 0.1, 0.025)),
                ("p99", LOADED, (5, 1, 0.25)),
            )
        ],
    ),
)
