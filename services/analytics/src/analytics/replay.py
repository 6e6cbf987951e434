# SPDX-License-Identifier: Apache-2.0
"""Replaying the log to one consumer: page after page into its own queues, nobody else's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ColumnElement, Row, and_, func, or_, select
from sqlalchemy.orm import Session

from analytics.config import Config
from analytics.errors import ReplayRefused
from analytics.models import LoggedEvent
from common.contracts import SUBSCRIPTIONS, VIEWS
from common.db import Database
from common.http import Client
from common.logs import get_logger
from common.problems import Unavailable, Unprocessable
from common.replay import MOST_EVENTS, Replayer
from common.tokens import ServiceTokens

log = get_logger(__name__)

OWN = "analytics"
PATH = "/internal/replay"
READ_SECONDS = 2.5
MOST_TEXT = 1024 * 1024

COLUMNS: tuple[Any, ...] = LoggedEvent.time, LoggedEvent.seq, LoggedEvent.type, LoggedEvent.body

Place = tuple[datetime, int]
"""Where a replay goes on: behind this time and number of the log."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Which events: from *start* up to but without *end*, of these types, behind *after*."""

    start: datetime
    end: datetime
    types: Sequence[str]
    after: Place | None = None


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """How many events of each type, and where to go on if there are more."""

    by_type: dict[str, int]
    last: Place | None = None


def types_for(consumer: str, wanted: Sequence[str] | None) -> list[str]:
    """The types to send: those that are wanted, else all that the consumer reads and the log has.

    Raises:
        Unprocessable: The consumer does not read one of them, or the log does not have it.
    """
    offered = sorted(event.type() for event in SUBSCRIPTIONS[consumer] if event not in VIEWS)
    if wanted is None:
        return offered
    strange = sorted(set(wanted) - set(offered))
    if strange:
        why = f"{', '.join(strange)}: {consumer} reads {', '.join(offered)} from the log"
        raise Unprocessable(errors={"types": [why]})
    return sorted(set(wanted))


def count(session: Session, *, stretch: Stretch) -> dict[str, int]:
    """How many events a replay would send, by type."""
    query = select(LoggedEvent.type, func.count().label("times")).where(_within(stretch))
    rows = session.execute(query.group_by(LoggedEvent.type).order_by(LoggedEvent.type))
    return {row.type: row.times for row in rows}


def page(session: Session, *, stretch: Stretch, limit: int) -> Sequence[Row[Any]]:
    """The next events in the order in which they happened."""
    query = select(*COLUMNS).where(_within(stretch)).order_by(LoggedEvent.time, LoggedEvent.seq)
    return session.execute(query.limit(limit)).all()


def _within(stretch: Stretch) -> ColumnElement[bool]:
    conditions = [
        LoggedEvent.time >= stretch.start,
        LoggedEvent.time < stretch.end,
        LoggedEvent.type.in_(stretch.types),
    ]
    if stretch.after is not None:
        time, seq = stretch.after
        # The first half alone lets the index begin there; a row comparison would not.
        conditions.append(LoggedEvent.time >= time)
        conditions.append(or_(LoggedEvent.time > time, LoggedEvent.seq > seq))
    return and_(*conditions)


class Consumers:
    """Everybody to whom the log can be replayed."""

    def __init__(self, database: Database, own: Replayer, others: Mapping[str, Client]) -> None:
        self._database = database
        self._own = own
        self._others = others

    @classmethod
    def connect(cls, config: Config, database: Database) -> Self:
        tokens = ServiceTokens(config.service_token_key.get_secret_value(), OWN)
        urls = {
            "catalog": config.catalog_url,
            "notifier": config.notifier_url,
            "orders": config.orders_url,
        }
        others = {
            name: Client(url, tokens, read_seconds=READ_SECONDS) for name, url in urls.items()
        }
        return cls(database, Replayer.connect(OWN, config), others)

    def replay(self, consumer: str, *, stretch: Stretch, limit: int) -> Replayed:
        """Send the next *limit* events of *stretch* to *consumer*, as they were told.

        After an error some of them may have been sent; to send them again does no harm.

        Raises:
            ReplayRefused: The consumer may not hear one of them again.
            Unavailable: It does not answer, or the broker does not.
        """
        rows = self._database.read(page, stretch=stretch, limit=limit + 1)
        sent: dict[str, int] = {}
        for batch in _batches(rows[:limit]):
            self._put(consumer, [bytes(row.body) for row in batch])
            for row in batch:
                sent[row.type] = sent.get(row.type, 0) + 1
        log.info("events_replayed", consumer=consumer, events=sum(sent.values()))
        last = (rows[limit - 1].time, rows[limit - 1].seq) if len(rows) > limit else None
        return Replayed(by_type=dict(sorted(sent.items())), last=last)

    def _put(self, consumer: str, bodies: Sequence[bytes]) -> None:
        if consumer == OWN:
            try:
                self._own.put(bodies)
            except Unprocessable as error:
                raise ReplayRefused(errors=error.errors) from error
            return
        texts = [body.decode(errors="replace") for body in bodies]
        answer = self._others[consumer].post(PATH, {"events": texts})
        if answer.status == 422:  # noqa: PLR2004 - HTTP's no to what was sent
            raise ReplayRefused(errors=answer.json()["errors"])
        if answer.status != 200:  # noqa: PLR2004 - HTTP's yes
            log.error("replay_refused", consumer=consumer, status=answer.status)
            raise Unavailable


def _batches(rows: Sequence[Row[Any]]) -> Iterator[Sequence[Row[Any]]]:
    """As many as fit into one request, but always one."""
    batch: list[Row[Any]] = []
    size = 0
    for row in rows:
        size += len(row.body)
        if batch and (len(batch) == MOST_EVENTS or size > MOST_TEXT):
            yield batch
            batch, size = [], len(row.body)
        batch.append(row)
    if batch:
        yield batch
