# SPDX-License-Identifier: Apache-2.0
"""Who shares commits, on a disk that takes its time: a virtual one may flush in 0.1 ms.

Only the database's flushes wait. Nobody here waits for the broker's, and the other sides have none.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.benchmark import Benchmark, Ratio, Sides
from benchmarks.ground import Ground
from benchmarks.orders import contended
from benchmarks.views import FROM_THE_QUEUE, SINGLE, ingest
from souk_local.executables import executable
from souk_local.packages import ensure_installed

FLUSH_MS = Ground.size("FLUSH_MS", 5)
FLUSHES = "fsync,fdatasync"

Prepare = Callable[[Ground], AbstractContextManager[Sides]]


def on_slow_disk(prepare: Prepare) -> Prepare:
    """The same sides on servers of their own, whose database is slow to flush."""

    @contextmanager
    def prepared(_ground: Ground) -> Iterator[Sides]:
        ensure_installed(["strace"])
        with _slow_flushes(FLUSH_MS), Ground() as ground, prepare(ground) as sides:
            yield sides

    return prepared


@contextmanager
def _slow_flushes(milliseconds: int) -> Iterator[None]:
    """A database that is started in the block waits so long before each flush."""
    with tempfile.TemporaryDirectory() as directory:
        wrapper = Path(directory, "mariadbd")
        wrapper.write_text(
            f"#!/bin/sh\nexec {executable('strace')} -D -f --seccomp-bpf -qq -o /dev/null"
            f" -e trace={FLUSHES} -e inject={FLUSHES}:delay_enter={1000 * milliseconds}"
            f' {executable("mariadbd")} "$@"\n'
        )
        wrapper.chmod(0o700)
        path = os.environ["PATH"]
        os.environ["PATH"] = f"{directory}{os.pathsep}{path}"
        try:
            yield
        finally:
            os.environ["PATH"] = path


BENCHMARKS = (
    Benchmark(
        id="P1d",
        title=f"contended orders, {FLUSH_MS} ms a flush",
        prepare=on_slow_disk(contended),
        ratios=[
            Ratio(
                title=f"P1 where the database's disk takes {FLUSH_MS} ms for a flush:"
                " the shop / the seed's design",
                unit="orders/s",
                of="the shop",
                to="the seed's design",
                limits=(2, 4, 8),
            )
        ],
    ),
    Benchmark(
        id="P11d",
        title=f"views, {FLUSH_MS} ms a flush",
        prepare=on_slow_disk(ingest),
        ratios=[
            Ratio(
                title=f"P11 where the database's disk takes {FLUSH_MS} ms for a flush:"
                " stored and counted / row per commit of the same rows",
                unit="views/s",
                of=FROM_THE_QUEUE,
                to=SINGLE,
                limits=(20, 50, 100),
            )
        ],
    ),
)
