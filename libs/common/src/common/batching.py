# SPDX-License-Identifier: Apache-2.0
"""Coalescing: what waits at the same time is done together, in one transaction.

Nobody waits for company. While one batch is at work the next one gathers by itself, so a lone
caller loses nothing, and the longer the work takes the more of it is shared.
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from queue import Empty
from threading import Lock
from time import sleep
from typing import Any, Generic, TypeVar

from common.lanes import Caller, Line, Place
from common.metrics import BATCH_SIZES
from common.problems import Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 64
ROOM = 256
SECONDS = 2.5
GATHER_SECONDS = 0.02
"""For so long a step waits for the next one to be free, where all would wait in any case."""


@dataclass(frozen=True, slots=True)
class On(Generic[Item]):
    """No outcome yet: *item* goes on to the next step, and its caller with it."""

    item: Item


class Batcher(Generic[Item, Result]):
    """Does single callers' items in batches, with the callers' own threads.

    A caller who finds a free lane leads: takes what waits, works it off, tells each caller what
    came of it, and leaves the lane to whoever waits longest.

    Args:
        name: Of the metric ``souk_batch_items``.
        work: Gets 1 to *most* items and returns one outcome each, in their order: a result, an
            exception for that item alone, or what goes ``On``. What it raises instead must come
            before a commit: then the halves are tried on their own, until the one that is to blame
            stands alone. ``Unavailable`` is nobody's fault and goes to all.
        then: The next step. All of a batch who go on go together, and wait once for both. While it
            is busy this one gathers.
        room: So many items may wait; who comes then is told to come again.
        lanes: So many batches may be at work at once.
        seconds: So long a caller waits, also for work that hangs; for the next step anew.
        gathers: Whether who leads first lets the threads run that are about to come. For work that
            is shorter than their way here; a lone caller loses a microsecond.

    Proved by libs/common/tests/unit/test_batching.py.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Item]], Sequence[Result | Exception | On[Any]]],
        *,
        then: "Batcher[Any, Any] | None" = None,
        most: int = MOST,
        room: int = ROOM,
        lanes: int = 1,
        seconds: float = SECONDS,
        gathers: bool = False,
    ) -> None:
        self._gathers = gathers
        self._sizes = BATCH_SIZES.labels(name)
        self._work = work
        # Steps that follow each other share it: who goes on is never in both lines, nor in none.
        self.lock: Lock = then.lock if then else Lock()
        self.line = Line[Item](
            self._lead, lock=self.lock, most=most, room=room, lanes=lanes, seconds=seconds
        )
        self._next: Line[Any] | None = then.line if then else None

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
        caller = Caller(len(items))
        with self.lock:
            if not self.line.has_room(len(items)):
                raise _crowded()
            self.line.admit([(caller, number, item) for number, item in enumerate(items)])
        try:
            while caller.missing:
                if lead := caller.listen():
                    lead(caller)
        except Empty:
            self._leave(caller)
        return [_late() if outcome is None else outcome for outcome in caller.outcomes]

    def _leave(self, caller: Caller) -> None:
        with self.lock:
            caller.has_left = True
            self.line.forget(caller)
            if self._next:
                self._next.forget(caller)
            caller.hear_the_rest()

    def _lead(self, caller: Caller) -> None:
        if self._gathers:
            sleep(0)  # which is no wait: it gives away the interpreter's lock
        with self.lock:
            if self._next:
                self._next.wait_for_lane(GATHER_SECONDS)
            batch = self.line.take(caller)
        outcomes: Sequence[Result | Exception | On[Any]] = []
        try:
            outcomes = outcomes_of(self._work, [item for _, _, item in batch])
        finally:
            with self.lock:
                # First the next step, so that whoever leads here then sees that it is busy.
                self._let_go_on(batch, outcomes)
                self.line.pass_on()
        if batch:
            self._sizes.observe(len(batch))
        for (member, number, _), outcome in zip(batch, outcomes, strict=True):
            if not isinstance(outcome, On):
                member.tell((number, outcome))

    def _let_go_on(
        self,
        batch: Sequence[Place[Item]],
        outcomes: Sequence[Result | Exception | On[Any]],
    ) -> None:
        places = [
            (member, number, outcome.item)
            for (member, number, _), outcome in zip(batch, outcomes, strict=False)
            if isinstance(outcome, On) and not member.has_left
        ]
        if self._next is None or not places:
            return
        if self._next.has_room(len(places)):
            self._next.admit(places)
        else:
            for member, number, _ in places:
                member.tell((number, _crowded()))


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


def _crowded() -> Unavailable:
    return Unavailable("Too many requests wait for this; try again.")


def _late() -> Unavailable:
    return Unavailable("This took too long; ask again.")
