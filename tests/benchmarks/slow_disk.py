# SPDX-License-Identifier: Apache-2.0
"""P1 on a disk that takes its time: a virtual one answers a flush in a tenth of a millisecond.

Only the database's flushes wait. No buyer waits for the broker's, and the seed's design has none.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.benchmark import Benchmark, Ratio, Sides
from benchmarks.ground import Ground
from benchmarks.orders import contended
from souk_local.executables import executable
from souk_local.packages import ensure_installed

FLUSH_MS = Ground.size("FLUSH_MS", 5)
FLUSHES = "fsync,fdatasync"


@contextmanager
def contended_on_slow_disk(_ground: Ground) -> Iterator[Sides]:
    """Both sides of P1 on a stack of their own, whose database is slow to flush."""
    ensure_installed(["strace"])
    with _slow_flushes(FLUSH_MS), Ground() as ground, contended(ground) as sides:
        yield sides


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
        prepare=contended_on_slow_disk,
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
)
