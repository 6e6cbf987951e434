# SPDX-License-Identifier: Apache-2.0
"""Failed log-ins of one account: after a few in a row, each further one costs a longer wait."""

from prometheus_client import Counter
from redis import Redis, RedisError

from common.logs import get_logger
from common.problems import Unavailable

log = get_logger(__name__)

PASSWORDS = Counter(
    "souk_passwords_total", "Passwords that somebody gave: right, wrong, throttled", ["outcome"]
)
LONGEST_WAIT_SECONDS = 900
REMEMBERED_SECONDS = 24 * 3600
"""An attacker who waits for the count to be forgotten has the free failures once a day."""

COUNT_FAILURE = """
local failures = redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[1])
local charged = failures - tonumber(ARGV[2])
if charged <= 0 then return 0 end
local wait = math.min(2 ^ (charged - 1), tonumber(ARGV[3]))
redis.call('SET', KEYS[2], charged, 'EX', wait)
return wait
"""


class Throttle:
    """Counts failed log-ins in a row. Without Redis nobody logs in: guessing must not be free.

    Args:
        free_failures: Failures before the first wait, which is a second; each further failure
            doubles it, up to a quarter of an hour.
    """

    def __init__(self, redis: Redis, *, free_failures: int) -> None:
        self._redis = redis
        self._free_failures = free_failures
        self._count = redis.register_script(COUNT_FAILURE)

    def seconds_to_wait(self, account: str) -> int:
        """How long *account* must wait before its next log-in is looked at; 0 for not at all.

        Raises:
            Unavailable: Nobody knows.
        """
        try:
            milliseconds = self._redis.pttl(_wait_key(account))
        except RedisError as error:
            raise self._blind(error) from error
        if milliseconds <= 0:
            return 0
        PASSWORDS.labels("throttled").inc()
        return -(-milliseconds // 1000)

    def failed(self, account: str) -> int:
        """Count a failure; returns the seconds that it costs, 0 while failures are free.

        Raises:
            Unavailable: It could not be counted.
        """
        PASSWORDS.labels("wrong").inc()
        keys = [_failures_key(account), _wait_key(account)]
        values = [REMEMBERED_SECONDS, self._free_failures, LONGEST_WAIT_SECONDS]
        try:
            return int(self._count(keys=keys, args=values))
        except RedisError as error:
            raise self._blind(error) from error

    def succeeded(self, account: str) -> None:
        """Forget the failures.

        Raises:
            Unavailable: They could not be forgotten.
        """
        PASSWORDS.labels("right").inc()
        try:
            self._redis.delete(_failures_key(account), _wait_key(account))
        except RedisError as error:
            raise self._blind(error) from error

    def _blind(self, error: RedisError) -> Unavailable:
        log.warning("throttle_unavailable", reason=type(error).__name__)
        return Unavailable("Log-ins are not possible at the moment; try again.")


def _failures_key(account: str) -> str:
    return f"login:{account}:failures"


def _wait_key(account: str) -> str:
    return f"login:{account}:wait"
