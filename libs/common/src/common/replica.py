# SPDX-License-Identifier: Apache-2.0
"""A copy of the database that may be a moment behind, and whether it is near.

Without ``DATABASE_REPLICA_URL`` nothing of this exists.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import Column, Connection, MetaData, SmallInteger, Table, select
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from common.db import Database, Moment, database_clock, new_metadata
from common.glances import Glance
from common.logs import get_logger
from common.metrics import REPLICA_READS
from common.problems import Unavailable
from common.settings import DatabaseSettings

log = get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

heartbeats = Table(
    "heartbeats",
    new_metadata(),
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
)

BEAT = timedelta(seconds=1)
LOOK_SECONDS = 0.5
READ_SECONDS = 1.0
POOL_SECONDS = 0.2
"""Who waited for the replica in vain must still hear from the primary within three seconds."""


def declare_heartbeats(metadata: MetaData) -> Table:
    """Give a service's schema the row that tells how far its replica is."""
    return heartbeats.to_metadata(metadata)


class Replica(Database):
    """Reads from a copy of *primary* while that is near; all else, and all doubt, is the primary's.

    A row of the primary is given the primary's time each second in which anybody reads. What the
    replica has of it bounds how far it is behind, by one clock, without any right on the server.

    Args:
        most_lag: Seconds. No answer from the replica lacks anything that was committed so long ago.
    """

    def __init__(self, url: str, primary: Database, *, most_lag: float, pool_size: int = 8) -> None:
        super().__init__(
            url, pool_size=pool_size, pool_wait=POOL_SECONDS, read_timeout=READ_SECONDS
        )
        self._primary = primary
        self._most_lag = most_lag
        self._was_near = False
        self._near_until = 0.0
        self._next_look_at = 0.0
        self._looks = threading.Lock()

    @classmethod
    def beside(cls, primary: Database, settings: DatabaseSettings) -> Self | None:
        """The replica that the settings name, if they do."""
        if settings.database_replica_url is None:
            return None
        return cls(
            settings.database_replica_url.get_secret_value(),
            primary,
            most_lag=settings.replica_most_lag_seconds,
            pool_size=settings.database_pool_size,
        )

    @property
    def hangs(self) -> bool:
        """Whether this server or the one it stands for lets callers wait."""
        return super().hangs or self._primary.hangs

    def run(
        self, command: Callable[Concatenate[Session, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run *command* on the primary."""
        return self._primary.run(command, *args, **kwargs)

    def read(
        self, query: Callable[Concatenate[Session, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run *query* on the replica, or on the primary where that is far or gives no answer.

        Raises:
            Unavailable: The primary can't be reached either.
        """
        return self._nearest(
            partial(super().read, query, *args, **kwargs),
            partial(self._primary.read, query, *args, **kwargs),
        )

    def look(
        self, query: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run *query* on a bare connection to whatever ``read`` would ask.

        Raises:
            Unavailable: The primary can't be reached either.
        """
        return self._nearest(
            partial(super().look, query, *args, **kwargs),
            partial(self._primary.look, query, *args, **kwargs),
        )

    def glance(
        self, query: Callable[Concatenate[Glance, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run *query* past SQLAlchemy on whatever ``read`` would ask.

        Raises:
            Unavailable: The primary can't be reached either.
        """
        return self._nearest(
            partial(super().glance, query, *args, **kwargs),
            partial(self._primary.glance, query, *args, **kwargs),
        )

    def _nearest(self, here: Callable[[], T], on_primary: Callable[[], T]) -> T:
        if self._is_near():
            try:
                answer = here()
            # Any error of a database: the replica may lack a column that a migration has just made.
            except (Unavailable, DBAPIError) as error:
                self._near_until = 0.0
                log.warning("replica_failed", reason=type(error).__name__)
            else:
                REPLICA_READS.labels("replica").inc()
                return answer
        REPLICA_READS.labels("primary").inc()
        return on_primary()

    def _is_near(self) -> bool:
        """Whether what the replica has is young enough; one caller looks, the others go on."""
        if time.monotonic() >= self._next_look_at and self._looks.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._looks.release()
        return time.monotonic() < self._near_until

    def _look(self) -> None:
        began = time.monotonic()
        try:
            now = self._primary.run(_beat)
            beat = super().read(_last_beat)
        except (Unavailable, DBAPIError):
            beat = None
        near_for = self._most_lag - (now - beat).total_seconds() if beat else 0.0
        if self._was_near != (near_for > 0):
            self._was_near = near_for > 0
            log.warning("replica_near" if self._was_near else "replica_far")
        self._near_until = began + near_for
        self._next_look_at = time.monotonic() + LOOK_SECONDS


def _beat(session: Session) -> datetime:
    """Give the row the primary's time unless it has had that lately; returns that time."""
    last = _last_beat(session)
    now: datetime = session.scalars(select(database_clock())).one()
    if last is None or now - last >= BEAT:
        beat = insert(heartbeats).values(id=1, at=database_clock())
        session.execute(beat.on_duplicate_key_update(at=database_clock()))
    return now


def _last_beat(session: Session) -> datetime | None:
    return session.scalar(select(heartbeats.c.at))
