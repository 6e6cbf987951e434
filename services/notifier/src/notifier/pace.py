# SPDX-License-Identifier: Apache-2.0
"""How fast this process may send."""

import time
from collections.abc import Callable

BURST_SECONDS = 0.25


class Pace:
    """A token bucket: *per_second* on average, a quarter second's worth at once.

    Args:
        clock: Seconds that only go forward.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._most = max(1.0, per_second * BURST_SECONDS)
        self._clock = clock
        self._tokens = self._most
        self._counted_at = clock()

    def allowance(self) -> int:
        """How many may go right now."""
        now = self._clock()
        gained = (now - self._counted_at) * self._per_second
        self._tokens = min(self._most, self._tokens + gained)
        self._counted_at = now
        return int(self._tokens)

    def spend(self) -> None:
        """One goes."""
        self._tokens -= 1
