# SPDX-License-Identifier: Apache-2.0
"""Calls from one service to another. Only this module knows urllib3."""

from typing import Any, Self

import orjson
from urllib3 import BaseHTTPResponse, Timeout, connection_from_url
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import Retry, parse_url

from common.context import current_trace
from common.hiding import hidden
from common.problems import Unavailable
from common.tokens import ServiceTokens
from common.traces import calling

# A breaker may keep its state in Redis. Ours do not, and a worker has no other use for its client,
# which is six megabytes.
with hidden("redis"):
    from pybreaker import CircuitBreaker, CircuitBreakerError

CONNECT_SECONDS = 0.5
MOST_KEPT = 64
"""Connections; as many as a web process has threads, or each rush would make some anew."""
FAILURES_BEFORE_OPEN = 8
OPEN_SECONDS = 2
FIRST_FAILURE = 500


class Answer:
    """What the other service said."""

    def __init__(self, response: BaseHTTPResponse) -> None:
        self.status = response.status
        self._content = response.data

    def json(self) -> Any:
        return orjson.loads(self._content)


class _OnceMore(Retry):
    """Repeats what a broken connection ended, and not what came too late.

    Who hangs will hang again, and the caller has waited for as long as it may.
    """

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,
        error: Exception | None = None,
        *pool_and_stack: Any,
        **named: Any,
    ) -> Self:
        if isinstance(error, ReadTimeoutError):
            raise error
        return super().increment(method, url, response, error, *pool_and_stack, **named)


class Client:
    """Calls one other service, with time limits, a circuit breaker and a service token.

    Args:
        read_seconds: How long one call may take.
        failures: After so many in a row nobody calls for a while. One where a call stands for many
            requests.
        rest: So many seconds, then one caller finds out.
    """

    def __init__(
        self,
        base_url: str,
        tokens: ServiceTokens | None,
        *,
        read_seconds: float = 3.0,
        failures: int = FAILURES_BEFORE_OPEN,
        rest: float = OPEN_SECONDS,
    ) -> None:
        self._tokens = tokens
        self._breaker = CircuitBreaker(fail_max=failures, reset_timeout=rest)
        # Once more on a fresh connection: a kept-alive one may have been closed under us. Only
        # methods that may be repeated; the reserve command is a PUT for that reason too.
        retries = _OnceMore(
            total=1, connect=1, read=1, status=0, allowed_methods={"GET", "PUT"}, backoff_factor=0
        )
        timeout = Timeout(connect=CONNECT_SECONDS, read=read_seconds)
        self._pool = connection_from_url(
            base_url, maxsize=MOST_KEPT, retries=retries, timeout=timeout
        )
        self._base_path = (parse_url(base_url).path or "").rstrip("/")

    def get(self, path: str) -> Answer:
        return self._call("GET", path, None)

    def put(self, path: str, body: object) -> Answer:
        return self._call("PUT", path, orjson.dumps(body))

    def post(self, path: str, body: object) -> Answer:
        """Call once: what may not be repeated is never sent a second time."""
        return self._call("POST", path, orjson.dumps(body))

    def _call(self, method: str, path: str, body: bytes | None) -> Answer:
        """Call, and return any answer below 500.

        Raises:
            Unavailable: No connection, no answer in time, a 5xx, or too many of these lately. The
                command may have been carried out.
        """
        try:
            # Not ``call``: that holds the breaker's lock until the other service has answered, and
            # so lets one request at a time through.
            with self._breaker.calling():
                return self._send(method, path, body)
        except (HTTPError, CircuitBreakerError) as error:
            raise Unavailable("A service that this needs does not answer; try again.") from error

    def _send(self, method: str, path: str, body: bytes | None) -> Answer:
        headers = self._headers(has_body=body is not None)
        with calling(method, headers):
            response = self._pool.urlopen(
                method, self._base_path + path, body, headers, redirect=False
            )
            if response.status >= FIRST_FAILURE:
                raise HTTPError(response.status)
        return Answer(response)

    def _headers(self, *, has_body: bool) -> dict[str, str]:
        headers = {
            "X-Request-Id": current_trace().correlation_id,
            "X-Souk-Actor": current_trace().actor,
            "Accept": "application/json",
        }
        if has_body:
            headers["Content-Type"] = "application/json"
        if self._tokens is not None:
            headers["Authorization"] = f"Bearer {self._tokens.issue()}"
        return headers
