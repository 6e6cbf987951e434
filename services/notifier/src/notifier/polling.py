# SPDX-License-Identifier: Apache-2.0
"""Doing what is due: often while there is something, seldom while there is nothing."""

from collections.abc import Callable
from pathlib import Path
from threading import Event as Signal

from common.logs import get_logger
from common.problems import Unavailable

log = get_logger(__name__)

BUSY_SECONDS = 0.02
IDLE_SECONDS = 1.0
TROUBLE_SECONDS = 1.0
RESTS = 2

SCHEDULED = Path("/proc/thread-self/schedstat")
"""What Linux knows of a thread: nanoseconds that it ran, and that it was ready and did not."""


class Polling:
    """A worker's task that repeats *work*.

    After *pause* while it moves something, then ever more seldom, down to every second; and never
    before it has rested for twice as long as it stood in line for a processor, a second at most: in
    a rush others want it. Where nobody else does it never stands in line, nor while it waits for a
    mail's provider.

    Args:
        has_work: Asked instead of *work* while there is nothing: a cheap question.
        work: Does one round and tells how much it moved. A database that is away is waited out;
            any other error ends the task, and with it the process.
        pause: Seconds. What comes up meanwhile is done together.
        full: What a round moves at most: such a one is followed by the next after 20 ms.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], int],
        *,
        has_work: Callable[[], bool],
        pause: float = BUSY_SECONDS,
        full: int = 1,
    ) -> None:
        self._name = name
        self._pause = pause
        self._full = full
        self._work = work
        self._has_work = has_work

    def run(self, stop: Signal) -> None:
        idle_rounds = 0
        while not stop.is_set():
            moved, rest = 0, 0.0
            try:
                if not idle_rounds or self._has_work():
                    waited = _in_line()
                    moved = self._work()
                    rest = RESTS * (_in_line() - waited)
                idle_rounds = 0 if moved else idle_rounds + 1
                pause = BUSY_SECONDS if moved >= self._full else self._pause
                stop.wait(min(IDLE_SECONDS, max(rest, pause * 2 ** min(idle_rounds, 6))))
            except Unavailable as error:
                log.warning("polling_waits", task=self._name, reason=error.detail)
                stop.wait(TROUBLE_SECONDS)


def _in_line() -> float:
    """Seconds for which this thread was ready and others had the processor; 0 where nobody says."""
    try:
        _, waited, _ = SCHEDULED.read_bytes().split()
    except OSError:
        return 0.0
    return int(waited) / 1e9
