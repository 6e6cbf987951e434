# SPDX-License-Identifier: Apache-2.0
"""Doing what is due: often while there is something, seldom while there is nothing."""

from collections.abc import Callable
from threading import Event as Signal

from common.logs import get_logger
from common.problems import Unavailable

log = get_logger(__name__)

BUSY_SECONDS = 0.02
IDLE_SECONDS = 1.0
TROUBLE_SECONDS = 1.0


class Polling:
    """A worker's task that repeats *work*.

    After 20 ms while it moves something, then ever more seldom, down to every second.

    Args:
        has_work: Asked instead of *work* while there is nothing: a cheap question.
        work: Does one round and tells how much it moved. A database that is away is waited out;
            any other error ends the task, and with it the process.
    """

    def __init__(self, name: str, work: Callable[[], int], *, has_work: Callable[[], bool]) -> None:
        self._name = name
        self._work = work
        self._has_work = has_work

    def run(self, stop: Signal) -> None:
        idle_rounds = 0
        while not stop.is_set():
            try:
                is_due = not idle_rounds or self._has_work()
                idle_rounds = 0 if is_due and self._work() else idle_rounds + 1
                stop.wait(min(IDLE_SECONDS, BUSY_SECONDS * 2 ** min(idle_rounds, 6)))
            except Unavailable as error:
                log.warning("polling_waits", task=self._name, reason=error.detail)
                stop.wait(TROUBLE_SECONDS)
