# SPDX-License-Identifier: Apache-2.0
"""The shop as its admin sees it, through the gateway."""

import time
from collections.abc import Callable, Collection, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from soukctl.gateway import Answer, GatewayClient

if TYPE_CHECKING:
    from soukctl.config import Config

PAGE = 200
"""So many things the shop lists at once at most."""
TRIES = 4
PAUSE_SECONDS = 1.0
BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS})
AWAY = frozenset({HTTPStatus.SERVICE_UNAVAILABLE})
"""Long work goes on after a moment of these; what changes something is not repeated after AWAY."""


class Refused(Exception):
    """The shop said no, or nothing; the message is a sentence for people."""


class Shop:
    """Calls as an admin, who logs in at the first call and again when the token has run out.

    Raises:
        Refused: From each call that the shop does not carry out.
    """

    def __init__(
        self, url: str, username: str, password: str, *, timeout_seconds: float = 20.0
    ) -> None:
        self._visitor = GatewayClient(url.rstrip("/"), timeout_seconds=timeout_seconds)
        self._login = username, password
        self._admin: GatewayClient | None = None

    @classmethod
    def of(cls, config: "Config") -> Self:
        return cls(*config.need("gateway_url", "admin_username", "admin_password"))

    @property
    def admin(self) -> GatewayClient:
        if self._admin is None:
            try:
                self._admin = self._visitor.logged_in(*self._login)
            except PermissionError as error:
                raise Refused(f"{error}") from error
            except OSError as error:
                raise self._silent(error) from error
        return self._admin

    def get(self, path: str, **query: object) -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        asked = f"{path}?{urlencode(given)}" if given else path
        return self._call(lambda admin: admin.get(asked), path, again=BUSY | AWAY)

    def post(self, path: str, body: object) -> Any:
        return self._call(lambda admin: admin.post(path, body), path, again=BUSY)

    def pages(self, path: str, **query: object) -> Iterator[list[dict[str, Any]]]:
        """Everything that *path* lists, a page at a time."""
        cursor = None
        while True:
            answer = self.get(path, **query, limit=PAGE, cursor=cursor)
            yield answer["items"]
            cursor = answer["next_cursor"]
            if cursor is None:
                return

    def _call(
        self, call: Callable[[GatewayClient], Answer], path: str, *, again: Collection[int]
    ) -> Any:
        answer = self._ask(call)
        for _ in range(TRIES - 1):
            if answer.status not in again:
                break
            time.sleep(PAUSE_SECONDS)
            answer = self._ask(call)
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            raise Refused(f"{path}: {answer.status} {answer.said}")
        return answer.body

    def _ask(self, call: Callable[[GatewayClient], Answer]) -> Answer:
        try:
            answer = call(self.admin)
            if answer.status == HTTPStatus.UNAUTHORIZED:
                self._admin = None
                answer = call(self.admin)
        except OSError as error:
            raise self._silent(error) from error
        return answer

    def _silent(self, error: OSError) -> Refused:
        reason = getattr(error, "reason", error)
        return Refused(f"The gateway {self._visitor.url} does not answer: {reason}")
