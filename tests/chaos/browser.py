# SPDX-License-Identifier: Apache-2.0
"""A client that does not give up: it asks again with the same words until it gets a verdict."""

import http.client
import json
import time
from dataclasses import dataclass
from threading import Event
from typing import Any
from urllib.parse import urlsplit

ONE_ANSWER_SECONDS = 12
VERDICT_SECONDS = 90
PAUSE_SECONDS = 0.2
NO_VERDICT = {502, 503, 504}


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any
    request_id: str
    etag: str

    @property
    def code(self) -> str:
        return self.body.get("code", "") if isinstance(self.body, dict) else ""

    @property
    def is_verdict(self) -> bool:
        return self.status not in NO_VERDICT and self.code != "in_progress"


class Browser:
    """One person's connection, made anew after every failure."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._address = urlsplit(url)
        self._token = token
        self._connection: http.client.HTTPConnection | None = None
        self._pause = Event()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply | None:
        """Ask once; None is no answer, and nobody knows what became of it."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            connection = self._connected()
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return None
        return Reply(
            response.status,
            _decoded(content),
            response.headers.get("X-Request-Id", ""),
            response.headers.get("ETag", ""),
        )

    def insist(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[Reply | None, int]:
        """Ask until there is a verdict, or for a minute and a half; also how often it was asked."""
        deadline = time.monotonic() + VERDICT_SECONDS
        for tries in range(1, 1_000_000):
            reply = self.ask(method, path, body, **headers)
            if reply is not None and reply.is_verdict:
                return reply, tries
            if time.monotonic() > deadline:
                break
            self._pause.wait(PAUSE_SECONDS)
        return None, tries

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                str(self._address.hostname), self._address.port, timeout=ONE_ANSWER_SECONDS
            )
        return self._connection


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")
