# SPDX-License-Identifier: Apache-2.0
"""What a shop costs that nobody visits: the processor time of every process, from the kernel."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.benchmark import Benchmark, Figures, Ratio, Sides
from benchmarks.ground import Ground
from souk_local.stack import Stack

SECONDS = 4.0
OURS = ("-worker", "-web", "shipper")
POLLERS, SERVERS = "workers, webs and shipper", "servers"


def processor_seconds(groups: dict[int, str]) -> Counter[str]:
    """What the threads of these process groups have used, in nanoseconds' precision."""
    used: Counter[str] = Counter()
    for process in Path("/proc").glob("[0-9]*"):
        # Processes and threads end while somebody looks at them.
        with suppress(OSError):
            group = int((process / "stat").read_text().rpartition(")")[2].split()[2])
            if group in groups:
                used[groups[group]] += _of_threads(process)
    return used


def _of_threads(process: Path) -> float:
    lines = (thread / "schedstat" for thread in (process / "task").iterdir())
    return sum(int(line.read_text().split()[0]) for line in lines) / 1e9


def used(stack: Stack) -> Figures:
    """Percent of one core in a few seconds, of our processes and of the servers."""
    groups = {
        line.pid: POLLERS if line.name.endswith(OURS) else SERVERS
        for line in stack.status()
        if line.pid
    }
    before = processor_seconds(groups)
    time.sleep(SECONDS)
    after = processor_seconds(groups)
    return {name: 100 * (after[name] - before[name]) / SECONDS for name in (POLLERS, SERVERS)}


@contextmanager
def idling(ground: Ground) -> Iterator[Sides]:
    stack = ground.stack
    yield Sides({"idle": lambda: used(stack)})


BENCHMARKS = (
    Benchmark(
        id="P17",
        title="a shop that nobody visits",
        prepare=idling,
        ratios=[
            Ratio(
                title="processor time of all of our processes",
                unit="% of a core",
                of=POLLERS,
                limits=(5, 1, 0.3),
                lower_is_better=True,
            )
        ],
    ),
)
