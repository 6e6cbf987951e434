# SPDX-License-Identifier: Apache-2.0
"""Everybody's dead letters. Each service looks after its own; this asks all of them at once."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, Self
from urllib.parse import urlencode

from analytics.config import Config
from common.dead_letters import DeadLetters, Letter, Listing, Requeued
from common.http import Answer, Client
from common.logs import get_logger
from common.problems import Unavailable
from common.tokens import ServiceTokens

log = get_logger(__name__)

READ_SECONDS = 1.4
"""Longer than a service waits for its broker; and twice that, for a GET is repeated, is below 3."""
PATH = "/internal/dead-letters"
OWN = "analytics"


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What the services said.

    Attributes:
        count: How many letters lie there, or still lie there after a requeue.
        unavailable: Who said nothing.
    """

    items: list[Letter]
    count: int
    unavailable: list[str]


class DeadLetterOffice:
    """Asks every consuming service about its dead letters.

    Raises:
        Unavailable: From each of its questions, when nobody who was asked answers.
    """

    def __init__(self, own: DeadLetters, others: Mapping[str, Client]) -> None:
        self._own = own
        self._others = others

    @classmethod
    def connect(cls, config: Config) -> Self:
        tokens = ServiceTokens(config.service_token_key.get_secret_value(), OWN)
        urls = {
            "catalog": config.catalog_url,
            "notifier": config.notifier_url,
            "orders": config.orders_url,
        }
        others = {
            name: Client(url, tokens, read_seconds=READ_SECONDS) for name, url in urls.items()
        }
        return cls(DeadLetters.connect(OWN, config), others)

    def list(self, *, consumer: str | None, event_type: str | None, limit: int) -> Collected:
        """The oldest dead letters, at most *limit*."""
        wanted = {"limit": limit} | ({"type": event_type} if event_type else {})
        path = f"{PATH}?{urlencode(wanted)}"

        def ask(name: str) -> Listing:
            if name == OWN:
                return self._own.list(event_type=event_type, limit=limit)
            return Listing.model_validate(_said(self._others[name].get(path)))

        return self._collected(consumer, ask, count=attrgetter("total"), limit=limit)

    def requeue(self, *, consumer: str | None, **wanted: Any) -> Collected:
        """Send dead letters back, at most *limit* of each consumer."""

        def ask(name: str) -> Requeued:
            if name == OWN:
                return self._own.requeue(**wanted)
            return Requeued.model_validate(_said(self._others[name].post(PATH, wanted)))

        return self._collected(consumer, ask, count=attrgetter("remaining"))

    def _collected(
        self,
        consumer: str | None,
        ask: Callable[[str], Listing | Requeued],
        *,
        count: Callable[[Any], int],
        limit: int | None = None,
    ) -> Collected:
        names = [consumer] if consumer else sorted([OWN, *self._others])
        with ThreadPoolExecutor(len(names)) as pool:
            futures = {
                name: pool.submit(copy_context().run, partial(_answer_of, ask, name))
                for name in names
            }
        answers = {name: future.result() for name, future in futures.items()}
        heard = [answer for answer in answers.values() if answer is not None]
        if not heard:
            raise Unavailable("Nobody can say anything about dead letters now; try again.")
        items = [letter for answer in heard for letter in answer.items]
        return Collected(
            items=sorted(items, key=lambda letter: letter.died_at or "")[:limit],
            count=sum(map(count, heard)),
            unavailable=[name for name, answer in answers.items() if answer is None],
        )


def _answer_of(ask: Callable[[str], Listing | Requeued], name: str) -> Listing | Requeued | None:
    try:
        return ask(name)
    except Unavailable as error:
        log.warning("dead_letters_unanswered", consumer=name, reason=error.detail)
        return None


def _said(answer: Answer) -> Any:
    if answer.status != 200:  # noqa: PLR2004 - HTTP's yes
        log.error("dead_letters_refused", status=answer.status)
        raise Unavailable
    return answer.json()
