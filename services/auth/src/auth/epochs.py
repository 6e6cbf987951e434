# SPDX-License-Identifier: Apache-2.0
"""Redis' copies of users' token epochs: what keeps a dead token from being taken for alive.

The database has the truth. While it may be about to change, the copy is a mark that makes the
services ask auth; no service ever finds an old number after the change was answered.
"""

from secrets import token_hex

from redis import Redis, RedisError

from common.access import epoch_key
from common.logs import get_logger
from common.problems import Unavailable

log = get_logger(__name__)

MARK_SECONDS = 60
"""Longer than any transaction, and than any answer to a service that asked before it."""
NUMBER_SECONDS = 300
ANSWER_SECONDS = 30

# Two changes of one user may overlap, and which of them commits last is not known here. So the
# second one marks without a name: then neither writes its number, and the mark runs out.
MARK = """
local copy = redis.call('GET', KEYS[1])
if copy and string.sub(copy, 1, 1) == '?' then
  redis.call('SET', KEYS[1], '?', 'EX', ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
"""
SETTLE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
else
  redis.call('SET', KEYS[1], '?', 'EX', ARGV[4])
end
"""


class EpochCopies:
    """Writes the copies; only auth does."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._mark = redis.register_script(MARK)
        self._settle = redis.register_script(SETTLE)

    def mark(self, user_id: int) -> str:
        """Mark the copy before a transaction that may raise the epoch; returns the mark.

        Raises:
            Unavailable: It could not be marked. An old copy may still be there, so nobody is told
                that the tokens are dead.
        """
        mark = f"?{token_hex(8)}"
        try:
            self._mark(keys=[epoch_key(user_id)], args=[mark, MARK_SECONDS])
        except RedisError as error:
            raise Unavailable from error
        return mark

    def settle(self, user_id: int, mark: str, epoch: int) -> None:
        """Replace the mark by the committed epoch; without Redis it runs out by itself."""
        values: list[str | int] = [mark, epoch, NUMBER_SECONDS, MARK_SECONDS]
        try:
            self._settle(keys=[epoch_key(user_id)], args=values)
        except RedisError as error:
            log.warning("epoch_not_copied", user_id=user_id, reason=type(error).__name__)

    def answer(self, user_id: int, epoch: int) -> None:
        """Spare the next service its question; never over a mark or another number."""
        try:
            self._redis.set(epoch_key(user_id), epoch, nx=True, ex=ANSWER_SECONDS)
        except RedisError as error:
            log.warning("epoch_not_copied", user_id=user_id, reason=type(error).__name__)
