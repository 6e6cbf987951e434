# SPDX-License-Identifier: Apache-2.0
"""What a benchmark is: sides that are played in turn, and ratios of their figures."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from benchmarks.ground import Ground

Figures = float | Mapping[str, float]
"""A round's figure, or several by name."""


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """One quotient of two figures, and what is asked of it.

    Attributes:
        of: The numerator: a side's name, or that of one of its figures.
        to: The denominator, likewise; None where the figure itself is what counts.
        limits: Floor, target and moonshot.
    """

    title: str
    unit: str
    of: str
    to: str | None = None
    limits: tuple[float, float, float]
    lower_is_better: bool = False

    def values(self, figures: Mapping[str, Sequence[float]]) -> list[float]:
        """The quotient of each round: what disturbs a round disturbs both of its sides."""
        if self.to is None:
            return list(figures[self.of])
        pairs = zip(figures[self.of], figures[self.to], strict=True)
        return [numerator / denominator for numerator, denominator in pairs]

    def verdict(self, value: float) -> str:
        for name, limit in zip(("moonshot", "target", "floor"), reversed(self.limits), strict=True):
            if value <= limit if self.lower_is_better else value >= limit:
                return name
        return "missed"


@dataclass(frozen=True)
class Sides:
    """Two or more sides that are ready to be played.

    Attributes:
        rounds: One bounded round of each side, by the side's name.
        check: After the last round: why the result does not count (oversold, failed), or None.
    """

    rounds: Mapping[str, Callable[[], Figures]]
    check: Callable[[], str | None] = lambda: None


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One line of the table of benchmarks.

    Attributes:
        prepare: Makes the sides ready on what the run stands on, and clears up after them.
        rounds: How often each side is played after its warm-up.
    """

    id: str
    title: str
    ratios: Sequence[Ratio]
    prepare: Callable[[Ground], AbstractContextManager[Sides]]
    rounds: int = 7
