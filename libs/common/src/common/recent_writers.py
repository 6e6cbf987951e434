# SPDX-License-Identifier: Apache-2.0
"""Who may read from a replica: whoever has not written for a while.

Apart from the replica, whose table is in every schema: a worker has no use for Redis.
"""

from pybreaker import CircuitBreaker, CircuitBreakerError
from redis import Redis, RedisError

from common.logs import get_logger

log = get_logger(__name__)

LONGEST_REQUEST_SECONDS = 10
"""So long the gateway waits for an answer: a write that was noted at its start is over by then."""
REMEMBERED_SECONDS = 3600


class RecentWriters:
    """Knows who has not written to this service for a while: they may read what is a moment old.

    Redis remembers it for all processes. It knows who is quiet, not who has written, so that
    whoever it has forgotten, or never heard of, counts as a writer.

    Args:
        most_lag: Seconds that the replica may be behind.
        strangers_write: Whether somebody without a token may write: then nobody knows who has.
    """

    def __init__(
        self, redis: Redis, service: str, *, most_lag: float, strangers_write: bool
    ) -> None:
        self._redis = redis
        self._breaker = CircuitBreaker(fail_max=3, reset_timeout=1)
        self._service = service
        self._quiet_below = REMEMBERED_SECONDS - LONGEST_REQUEST_SECONDS - most_lag
        self._strangers_write = strangers_write

    def may_lag(self, actor: str | None, *, writes: bool) -> bool:
        """Whether the reads of this request, which *actor* or nobody makes, may be a moment old."""
        if actor is None:
            return not writes and not self._strangers_write
        if writes:
            self.note(actor)
            return False
        return self._is_quiet(actor)

    def note(self, actor: str) -> None:
        """Remember that *actor* may write from now on, until this request is over."""
        try:
            with self._breaker.calling():
                self._redis.set(self._key(actor), 1, ex=REMEMBERED_SECONDS)
        except (RedisError, CircuitBreakerError):
            log.warning("writer_not_noted")

    def _is_quiet(self, actor: str) -> bool:
        key = self._key(actor)
        try:
            with self._breaker.calling():
                left = self._redis.ttl(key)
                if left < 0:
                    self._redis.set(key, 1, ex=REMEMBERED_SECONDS, nx=True)
        except (RedisError, CircuitBreakerError):
            return False
        return 0 <= left < self._quiet_below

    def _key(self, actor: str) -> str:
        return f"written:{self._service}:{actor}"
