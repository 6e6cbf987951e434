# SPDX-License-Identifier: Apache-2.0
"""Who waits for a step of ``common.batching``, and whose turn it is to lead there."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Condition, Lock
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")

Lead = Callable[["Caller"], None]
"""The word to a caller who waits: a lane is yours, go and lead."""


class Caller:
    """Somebody who waits for the outcomes of *count* items.

    Attributes:
        lanes: The lines where a lane is the caller's, from the word to lead until the batch is
            taken; whoever leaves in between must pass it on.
        has_left: Whether nobody listens any more.
        deadline: By ``time.monotonic``.
    """

    def __init__(self, count: int) -> None:
        self.outcomes: list[Any] = [None] * count
        self.missing = count
        self.lanes: set[Line[Any]] = set()
        self.has_left = False
        self.deadline = 0.0
        self._words: SimpleQueue[Lead | tuple[int, Any]] = SimpleQueue()

    def tell(self, word: Lead | tuple[int, Any]) -> None:
        """Say that a lane is the caller's, or what came of an item."""
        self._words.put(word)

    def listen(self) -> Lead | None:
        """Wait for the next word; returns it if it was to lead.

        Raises:
            Empty: The caller's time is over.
        """
        word = self._hear()
        if not isinstance(word, tuple):
            return word
        number, self.outcomes[number] = word
        self.missing -= 1
        return None

    def hear_the_rest(self) -> None:
        """Take what was said until now; no more will be waited for."""
        while not self._words.empty():
            self.listen()

    def _hear(self) -> Lead | tuple[int, Any]:
        while True:
            until = self.deadline
            try:
                return self._words.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                # Whoever has gone on to the next step has that one's time.
                if self.deadline == until:
                    raise


Place = tuple[Caller, int, Item]
"""Who waits, with which of the caller's items, and the item."""


class Line(Generic[Item]):
    """The places of a step, and its lanes. Who calls anything here holds *lock*."""

    def __init__(
        self, lead: Lead, *, lock: Lock, most: int, room: int, lanes: int, seconds: float
    ) -> None:
        self._lead = lead
        self._most = most
        self.room = room
        self.free_lanes = lanes
        self._is_free = Condition(lock)
        self.seconds = seconds
        self.waiting: deque[Place[Item]] = deque()

    def has_room(self, count: int) -> bool:
        return len(self.waiting) + count <= self.room

    def admit(self, places: Sequence[Place[Item]]) -> None:
        """Put them in line, with the time that is given here; one leads if a lane is free."""
        until = time.monotonic() + self.seconds
        for caller, _, _ in places:
            caller.deadline = until
        self.waiting.extend(places)
        if places and self.free_lanes:
            self.free_lanes -= 1
            self.pass_on()

    def take(self, leader: Caller) -> list[Place[Item]]:
        """What waits longest, for the *leader* to work off."""
        leader.lanes.discard(self)
        return [self.waiting.popleft() for _ in range(min(self._most, len(self.waiting)))]

    def pass_on(self) -> None:
        """Give a lane to whoever waits longest, or set it free."""
        heir = next((caller for caller, _, _ in self.waiting if self not in caller.lanes), None)
        if heir is None:
            self.free_lanes += 1
            self._is_free.notify_all()
        else:
            heir.lanes.add(self)
            heir.tell(self._lead)

    def forget(self, caller: Caller) -> None:
        """Take somebody out who leaves."""
        self.waiting = deque(place for place in self.waiting if place[0] is not caller)
        if self in caller.lanes:
            self.pass_on()

    def wait_for_lane(self, seconds: float) -> None:
        """Until a lane is free, so long at most; the lock is free meanwhile."""
        self._is_free.wait_for(lambda: self.free_lanes, seconds)
