# SPDX-License-Identifier: Apache-2.0
"""Plays a benchmark's sides in turn, A B A B, and keeps what each round gave."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from statistics import median
from typing import Any

from benchmarks.benchmark import Benchmark, Figures
from benchmarks.ground import Ground

Result = dict[str, Any]
"""What is kept of a benchmark, as it lies in ``docs/benchmarks.json``."""


def play(benchmark: Benchmark, ground: Ground, show: Callable[[str], None]) -> Result:
    """Play every side once to warm up and then *rounds* times, and judge the ratios.

    Args:
        show: is told what is being done.
    """
    show("preparing")
    figures: dict[str, list[float]] = defaultdict(list)
    with benchmark.prepare(ground) as sides:
        began = time.monotonic()
        for name, one_round in sides.rounds.items():
            show(f"warm-up: {name}")
            one_round()
        for number in range(1, benchmark.rounds + 1):
            for name, one_round in sides.rounds.items():
                show(f"round {number} of {benchmark.rounds}: {name}")
                _keep(figures, name, one_round())
        seconds = time.monotonic() - began
        show("checking")
        fault = sides.check() or _idle(benchmark, figures)
    return {
        "id": benchmark.id,
        "title": benchmark.title,
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "load_before": round(ground.load_before, 1),
        "seconds": round(seconds),
        "rounds": benchmark.rounds,
        "fault": fault,
        "ratios": [] if fault else _ratios(benchmark, figures),
        "figures": {name: _spread(values) for name, values in figures.items()},
    }


def _keep(figures: dict[str, list[float]], side: str, given: Figures) -> None:
    for name, value in (given if isinstance(given, Mapping) else {side: given}).items():
        figures[name].append(value)


def _idle(benchmark: Benchmark, figures: Mapping[str, list[float]]) -> str | None:
    """Nothing can be divided by a side that did nothing."""
    sides = {ratio.to for ratio in benchmark.ratios if ratio.to and not all(figures[ratio.to])}
    return f"a round of {', '.join(sides)} came to nothing" if sides else None


def _ratios(benchmark: Benchmark, figures: Mapping[str, list[float]]) -> list[Result]:
    return [
        {
            "title": ratio.title,
            "unit": ratio.unit,
            "of": ratio.of,
            "to": ratio.to,
            "limits": ratio.limits,
            "value": _spread(values),
            "verdict": ratio.verdict(median(values)),
        }
        for ratio in benchmark.ratios
        for values in (ratio.values(figures),)
    ]


def _spread(values: list[float]) -> tuple[float, float, float]:
    """Lowest, median, highest."""
    return min(values), median(values), max(values)
