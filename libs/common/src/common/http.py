# SPDX-License-Identifier: Apache-2.0
"""Calls from one service to another. Only this module knows requests."""

from typing import Any, Self

import orjson
import requests
from pybreaker import CircuitBreaker, CircuitBreakerError
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ReadTimeoutError
from urllib3.util.retry import Retry

from common.context import current_trace
from common.problems import Unavailable
from common.tokens import ServiceTokens

CONNECT_SECONDS = 0.5
FAILURES_BEFORE_OPEN = 8
OPEN_SECONDS = 2


class Answer:
    """What the other service said."""

    def __init__(self, response: requests.Response) -> None:
        self.status = response.status_code
        self._content = response.content

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
    """

    def __init__(
        self, base_url: str, tokens: ServiceTokens | None, *, read_seconds: float = 3.0
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._tokens = tokens
        self._timeout = (CONNECT_SECONDS, read_seconds)
        self._breaker = CircuitBreaker(fail_max=FAILURES_BEFORE_OPEN, reset_timeout=OPEN_SECONDS)
        self._session = requests.Session()
        self._session.trust_env = False
        # Once more on a fresh connection: a kept-alive one may have been closed under us. Only
        # methods that may be repeated; the reserve command is a PUT for that reason too.
        retries = _OnceMore(
            total=1, connect=1, read=1, status=0, allowed_methods={"GET", "PUT"}, backoff_factor=0
        )
        adapter = HTTPAdapter(max_retries=retries, pool_maxsize=32)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

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
        except (requests.RequestException, CircuitBreakerError) as error:
            raise Unavailable("A service that this needs does not answer; try again.") from error

    def _send(self, method: str, path: str, body: bytes | None) -> Answer:
        headers = {
            "X-Request-Id": current_trace().correlation_id,
            "X-Souk-Actor": current_trace().actor,
            "Accept": "application/json",
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._tokens is not None:
            headers["Authorization"] = f"Bearer {self._tokens.issue()}"
        response = self._session.request(
            method,
            self._base_url + path,
            data=body,
            headers=headers,
            timeout=self._timeout,
            allow_redirects=False,
        )
        if response.status_code >= requests.codes.server_error:
            response.raise_for_status()
        return Answer(response)
