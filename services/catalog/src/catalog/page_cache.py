# SPDX-License-Identifier: Apache-2.0
"""Pages that many ask for at once: each is read once, and lives until the end of its second.

No page is older than the clock's second in which it is given away, as at the gateway: so nothing
has to be called back after a write, and nothing that is lost, late or emptied makes a page older.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Self

from pybreaker import CircuitBreaker, CircuitBreakerError
from redis import Redis, RedisError

from common.clock import utcnow

MOST_KEPT = 1000
"""Pages of one second in one process; a page has some kilobytes."""
LIFE_SECONDS = 2
LOOK_SECONDS = 0.005
READER = b"?"
"""Stands in Redis for a page while somebody reads it."""


@dataclass(frozen=True)
class Page:
    """One product as one surface shows it, ready to be sent."""

    product_id: int
    etag: str
    body: bytes

    def packed(self) -> bytes:
        return b"%d %s\n%s" % (self.product_id, self.etag.encode(), self.body)

    @classmethod
    def unpacked(cls, value: bytes) -> Self:
        head, _, body = value.partition(b"\n")
        product_id, _, etag = head.partition(b" ")
        return cls(int(product_id), etag.decode(), body)


ReadPage = Callable[[], Page]


@dataclass(frozen=True)
class _Second:
    """What this process gives away in one second, and the names that it was asked for before."""

    number: int
    pages: dict[str, Future[Page]]
    before: frozenset[str]


class PageCache:
    """Gives away pages as they were in the second in which they are asked for.

    Of all threads of a process one gets the page, the others wait for it. A page that this process
    was asked for a second ago as well is hot: then of all processes one reads it, and the others
    get it from Redis. Two commands of Redis for any other page would cost more than they save.

    Args:
        patience: Seconds to wait for who gets the page, who may have died over it. Where Redis is
            away, no process waits for another.
        clock: Seconds since the epoch, the same for all processes.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        patience: float = 0.2,
        clock: Callable[[], float] = lambda: utcnow().timestamp(),
    ) -> None:
        self._redis = redis
        self._breaker = CircuitBreaker(fail_max=3, reset_timeout=1)
        self._patience = patience
        self._clock = clock
        self._second = _Second(0, {}, frozenset())

    def page(self, name: str, read: ReadPage) -> Page:
        """The page of this *name*, which *read* takes from the database unless somebody just did.

        The second is taken before the reading: what is read later is no older than it.
        """
        second = self._now()
        kept = second.pages.get(name)
        if kept is None:
            if len(second.pages) >= MOST_KEPT:
                return read()
            mine: Future[Page] = Future()
            kept = second.pages.setdefault(name, mine)
            if kept is mine:
                self._fill(mine, second, name, read)
        try:
            return kept.result(self._patience)
        except TimeoutError:
            return read()

    def _fill(self, mine: Future[Page], second: _Second, name: str, read: ReadPage) -> None:
        try:
            is_hot, key = name in second.before, f"page:{second.number}:{name}"
            mine.set_result(self._shared(key, read) if is_hot else read())
        except Exception as error:  # noqa: BLE001 - whoever waits hears the same
            del second.pages[name]
            mine.set_exception(error)

    def _now(self) -> _Second:
        number, second = int(self._clock()), self._second
        if second.number != number:
            before = frozenset(second.pages) if second.number == number - 1 else frozenset()
            # Two threads may do so at once: then one of them loses a page or two.
            second = self._second = _Second(number, {}, before)
        return second

    def _shared(self, key: str, read: ReadPage) -> Page:
        found = self._found(key)
        if found is not None:
            return Page.unpacked(found)
        try:
            page = read()
        except Exception:
            self._tell(lambda: self._redis.delete(key))
            raise
        self._tell(lambda: self._redis.set(key, page.packed(), ex=LIFE_SECONDS))
        return page

    def _found(self, key: str) -> bytes | None:
        """What another process has read, or None: then the caller reads."""
        gives_up_at = time.monotonic() + self._patience
        # One command finds the page, or makes the caller the one who reads it.
        found = self._tell(lambda: self._redis.set(key, READER, nx=True, get=True, ex=LIFE_SECONDS))
        while found == READER and time.monotonic() < gives_up_at:
            time.sleep(LOOK_SECONDS)
            found = self._tell(lambda: self._redis.get(key))
        return None if found == READER else found

    def _tell(self, command: Callable[[], Any]) -> bytes | None:
        """Redis's answer; None where it has none or is away."""
        try:
            with self._breaker.calling():
                answer: bytes | None = command()
        except (RedisError, CircuitBreakerError):
            return None
        return answer
