# SPDX-License-Identifier: Apache-2.0
"""All benchmarks, in the order in which they are run. A new module adds its line here."""

from benchmarks import (
    admins,
    events,
    front_door,
    growth,
    idle,
    lag,
    lines,
    lists,
    orders,
    oversold,
    payload,
    reads,
    recovery,
    replays,
    reserve,
    safety,
    slow_disk,
    views,
)
from benchmarks.benchmark import Benchmark

ALL: tuple[Benchmark, ...] = (
    *front_door.BENCHMARKS,  # its own stack starts best where no other is at work
    *idle.BENCHMARKS,
    *reserve.BENCHMARKS,
    *lists.BENCHMARKS,
    *events.BENCHMARKS,
    *lag.BENCHMARKS,
    *views.BENCHMARKS,
    *growth.BENCHMARKS,
    *payload.BENCHMARKS,
    *slow_disk.BENCHMARKS,
    *orders.BENCHMARKS,  # from here on somebody buys, and receipts are mailed for minutes
    *oversold.BENCHMARKS,
    *safety.BENCHMARKS,
    *replays.BENCHMARKS,
    *lines.BENCHMARKS,
    *admins.BENCHMARKS,
    *reads.BENCHMARKS,  # and here pages are viewed, which are counted for minutes
    *recovery.BENCHMARKS,  # what it kills is cold for a while, so it comes last
)
