# SPDX-License-Identifier: Apache-2.0
"""Coalescing: what waits at the same time is done together, in one transaction.

Nobody waits for company. While one batch is at work the next one gathers by itself, so a lone
caller loses nothing, and the longer the work takes the more of it is shared.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Final, Generic, TypeVar

from common.metrics import BATCH_SIZES
from common.problems import Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 64
ROOM = 256
SECONDS = 2.5


class _Lead:
    """The word to a caller who waits: a lane is yours."""


LEAD: Final = _Lead()


class _Caller(Generic[Result]):
    """Somebody who waits for the outcomes of *count* items.

    Attributes:
        has_lane: From the word to lead until the batch is taken; whoever leaves in between must
            pass the lane on.
    """

    def __init__(self, count: int, seconds: float) -> None:
        self.outcomes: list[Result | Exception | None] = [None] * count
        self.missing = count
        self.has_lane = False
        self._deadline = time.monotonic() + seconds
        self._words: SimpleQueue[_Lead | tuple[int, Result | Exception]] = SimpleQueue()

    def tell(self, word: _Lead | tuple[int, Result | Exception]) -> None:
        self._words.put(word)

    def listen(self) -> bool:
        """Wait for the next word; returns whether it was to lead.

        Raises:
            Empty: The caller's time is over.
        """
        word = self._words.get(timeout=max(0.0, self._deadline - time.monotonic()))
        if isinstance(word, _Lead):
            return True
        number, self.outcomes[number] = word
        self.missing -= 1
        return False

    def hear_the_rest(self) -> None:
        """Take what was said until now; no more will be waited for."""
        while not self._words.empty():
            self.listen()


class Batcher(Generic[Item, Result]):
    """Does single callers' items in batches, with the callers' own threads.

    A caller who finds a free lane leads: takes what waits, works it off, tells each caller what
    came of it, and leaves the lane to whoever waits longest.

    Args:
        name: Of the metric ``souk_batch_items``.
        work: Gets 1 to *most* items and returns one outcome each, in their order: a result, or an
            exception for that item alone. What it raises instead must come before a commit: then
            the halves are tried on their own, until the one that is to blame stands alone.
            ``Unavailable`` is nobody's fault and goes to all.
        room: So many items may wait; who comes then is told to come again.
        lanes: So many batches may be at work at once.
        seconds: So long a caller waits, also for work that hangs.

    Proved by libs/common/tests/unit/test_batching.py.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        *,
        most: int = MOST,
        room: int = ROOM,
        lanes: int = 1,
        seconds: float = SECONDS,
    ) -> None:
        self._sizes = BATCH_SIZES.labels(name)
        self._work = work
        self._most = most
        self._room = room
        self._seconds = seconds
        self._lock = Lock()
        self._free_lanes = lanes
        self._waiting: deque[tuple[_Caller[Result], int, Item]] = deque()

    def submit(self, item: Item) -> Result:
        """Have *item* done, together with what others want done now.

        Raises:
            Unavailable: Too many wait, or it took too long: then nobody knows whether it was done.
            Exception: Whatever *work* said of this item.
        """
        [outcome] = self.submit_all([item])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def submit_all(self, items: Sequence[Item]) -> list[Result | Exception]:
        """Have every item done; returns what came of each, in their order.

        Raises:
            Unavailable: As above, for all of them.
        """
        caller = _Caller[Result](len(items), self._seconds)
        if self._enter(caller, items):
            self._lead(caller)
        try:
            while caller.missing:
                if caller.listen():
                    self._lead(caller)
        except Empty:
            self._leave(caller)
        return [_late() if outcome is None else outcome for outcome in caller.outcomes]

    def _enter(self, caller: _Caller[Result], items: Sequence[Item]) -> bool:
        """Stand in line; returns whether the caller has a lane."""
        with self._lock:
            if len(self._waiting) + len(items) > self._room:
                raise Unavailable("Too many requests wait for this; try again.")
            self._waiting.extend((caller, number, item) for number, item in enumerate(items))
            caller.has_lane = self._free_lanes > 0
            self._free_lanes -= caller.has_lane
            return caller.has_lane

    def _leave(self, caller: _Caller[Result]) -> None:
        with self._lock:
            self._waiting = deque(place for place in self._waiting if place[0] is not caller)
            caller.hear_the_rest()
            if caller.has_lane:
                self._pass_on()

    def _lead(self, caller: _Caller[Result]) -> None:
        with self._lock:
            caller.has_lane = False
            batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        try:
            outcomes = outcomes_of(self._work, [item for _, _, item in batch])
        finally:
            with self._lock:
                self._pass_on()
        if batch:
            self._sizes.observe(len(batch))
        for (member, number, _), outcome in zip(batch, outcomes, strict=True):
            member.tell((number, outcome))

    def _pass_on(self) -> None:
        """Give the lane to whoever waits longest, or set it free. The lock is held."""
        heir = next((caller for caller, _, _ in self._waiting if not caller.has_lane), None)
        if heir is None:
            self._free_lanes += 1
        else:
            heir.has_lane = True
            heir.tell(LEAD)


def outcomes_of(
    work: Callable[[Sequence[Item]], Sequence[Result | Exception]], items: Sequence[Item]
) -> list[Result | Exception]:
    """What *work* makes of these items, in their order; see ``Batcher`` for what it may raise."""
    if not items:
        return []
    try:
        return list(work(items))
    except Unavailable as error:
        # A copy each: an exception that several threads raise would collect all their frames.
        return [copy(error) for _ in items]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is one item's trouble
        if len(items) == 1:
            return [error]
        middle = len(items) // 2
        return outcomes_of(work, items[:middle]) + outcomes_of(work, items[middle:])


def _late() -> Unavailable:
    return Unavailable("This took too long; ask again.")
