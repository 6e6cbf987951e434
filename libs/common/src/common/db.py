# SPDX-License-Identifier: Apache-2.0
"""The database: engine, column types, and the one function that runs a command."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from pymysql.err import MySQLError
from sqlalchemy import (
    BINARY,
    ColumnElement,
    Connection,
    MetaData,
    SQLColumnExpression,
    create_engine,
    event,
    func,
    text,
)
from sqlalchemy.dialects.mysql import DATETIME, VARCHAR
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.types import TypeDecorator

from common import driver
from common.bell import ring
from common.glances import Glance, glancing
from common.logs import get_logger
from common.metrics import COMMAND_RETRIES, COMMANDS, POOL_LIMIT, POOL_TIMEOUTS
from common.pool import MeasuredPool
from common.problems import Unavailable
from common.settings import DatabaseSettings

log = get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

DUPLICATE_KEY = 1062
LOST_RACES = frozenset({1020, DUPLICATE_KEY, 1205, 1213, 3572})
"""Snapshot conflict, duplicate key, lock wait timeout, deadlock, NOWAIT: whoever runs the whole
command again sees what the winner wrote. By number, never by class: PyMySQL raises a CHECK
violation as the same class as a deadlock."""

NOT_AVAILABLE = frozenset(
    {1040, 1053, 1203, 1290, 1836, 1021, 1114, 1049, 1146, 1927}
    | {2002, 2003, 2006, 2013, 2014, 2055}
)
"""Too many connections, shutting down, read-only, disk full, no schema or no tables yet, every way
to lose a connection."""

ATTEMPTS = 5

TOLD = "told"
"""In a session's ``info``: its transaction has put something into the outbox."""

CONNECT_SECONDS = 2
REQUEST_READ_SECONDS = 1.8
REQUEST_LOCK_SECONDS = 1
REQUEST_POOL_SECONDS = 1.0
"""Who sends a request hears within three seconds, whatever hangs: a wait for a free connection and
one for an answer are less than that together. A lock's wait is shorter than an answer's: else it
would look like a server that hangs."""
TRIAL_SECONDS = 0.5

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def new_metadata() -> MetaData:
    return MetaData(naming_convention=NAMING)


class Moment(TypeDecorator[datetime]):
    """DATETIME(6) in UTC, aware in Python. MariaDB 10.11's TIMESTAMP would end in 2038."""

    impl = DATETIME(fsp=6)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        return value and value.astimezone(UTC)  # the driver writes no zone

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        return value and value.replace(tzinfo=UTC)


class Identifier(TypeDecorator[UUID]):
    """A UUID in 16 bytes, in the order of its digits."""

    impl = BINARY(16)
    cache_ok = True

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> bytes | None:
        del dialect
        return value.bytes if value else None

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> UUID | None:
        del dialect
        return UUID(bytes=bytes(value)) if value else None


def exact(length: int) -> VARCHAR:
    """Text that is compared byte by byte: keys, tokens, codes."""
    return VARCHAR(length, charset="ascii", collation="ascii_bin")


def folded(length: int) -> VARCHAR:
    """Text that its writer has already normalised, compared by code point: usernames, addresses."""
    return VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")


def database_clock() -> ColumnElement[datetime]:
    """What time the database has: the one clock that all processes share."""
    return func.utc_timestamp(6, type_=Moment)


def rfc3339_of(moment: SQLColumnExpression[Any]) -> ColumnElement[str]:
    """As ``clock.rfc3339`` writes it; each database writes times into JSON in a way of its own."""
    # As text: values would be parameters of every statement.
    written = func.date_format(moment, text("'%Y-%m-%dT%H:%i:%s.%f'"))
    return func.concat(func.left(written, text("23")), text("'Z'"))


def error_number(error: DBAPIError | MySQLError) -> int:
    """MySQL's errno, or 0 where the driver gave none."""
    arguments = getattr(getattr(error, "orig", error), "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else 0


class Database:
    """One service's schema.

    Args:
        url: SQLAlchemy URL; the schema's own user, without rights elsewhere.
        pool_size: Connections at most. Few: hundreds of them on one hot row collapse.
        pool_wait: Seconds to wait for a free one before saying 503.
        lock_wait: Seconds to wait for a row lock; whole seconds, InnoDB knows no others.
        read_timeout: Seconds to wait for any answer, so that a hanging server frees the thread.
        on_told: Called after each commit that told something.

    While the server lets callers wait until their time is over, one caller every half second finds
    out whether it still does; the others hear no at once, and their threads are free for what needs
    no database. Proved by tests/faults/test_database.py.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        pool_wait: float = 2.0,
        lock_wait: int = 3,
        read_timeout: float = 10.0,
        on_told: Callable[[], None] | None = None,
    ) -> None:
        self._patience = 0.9 * min(CONNECT_SECONDS, read_timeout)
        self._hangs = False
        self._trial = threading.Lock()
        self._next_trial_at = 0.0
        self._open_engine = partial(
            create_engine,
            url,
            hide_parameters=True,  # errors are logged and dead-lettered; addresses must not be
            poolclass=MeasuredPool,
            max_overflow=0,
            pool_timeout=pool_wait,
            pool_recycle=1800,
            pool_use_lifo=True,
            # Each session ends its transaction itself, so a connection comes back with none. To
            # make sure would be one more question to the server after every commit.
            pool_reset_on_return=None,
            connect_args={
                "connect_timeout": min(CONNECT_SECONDS, read_timeout),
                "read_timeout": read_timeout,
                "write_timeout": read_timeout,
                "charset": "utf8mb4",
                "init_command": f"SET time_zone = '+00:00', innodb_lock_wait_timeout = {lock_wait}",
            },
        )
        self.engine = self._engine("READ COMMITTED", pool_size)
        self.sessions = sessionmaker(self.engine, expire_on_commit=False)
        if on_told is not None:
            event.listen(self.sessions, "after_commit", partial(_call_if_told, on_told))

    def _engine(self, isolation_level: str, pool_size: int) -> Engine:
        engine: Engine = self._open_engine(isolation_level=isolation_level, pool_size=pool_size)
        event.listen(engine, "do_connect", driver.connect)
        POOL_LIMIT.inc(pool_size)
        return engine

    @cached_property
    def _glances(self) -> Engine:
        return self._engine("AUTOCOMMIT", 1)

    @classmethod
    def from_settings(cls, settings: DatabaseSettings) -> "Database":
        return cls(
            settings.database_url.get_secret_value(),
            pool_size=settings.database_pool_size,
            pool_wait=settings.database_pool_wait_seconds,
            lock_wait=settings.database_lock_wait_seconds,
            read_timeout=settings.database_read_seconds,
            on_told=partial(ring, settings.worker_host, settings.worker_port),
        )

    @classmethod
    def for_requests(cls, settings: DatabaseSettings) -> "Database":
        """The database of a web process, whose clients wait for three seconds at most."""
        return cls(
            settings.database_url.get_secret_value(),
            pool_size=settings.database_pool_size,
            pool_wait=min(settings.database_pool_wait_seconds, REQUEST_POOL_SECONDS),
            lock_wait=min(settings.database_lock_wait_seconds, REQUEST_LOCK_SECONDS),
            read_timeout=min(settings.database_read_seconds, REQUEST_READ_SECONDS),
            on_told=partial(ring, settings.worker_host, settings.worker_port),
        )

    def apart(self, *, read_timeout: float) -> "Database":
        """The same schema on a connection of its own, for who may wait longer or less long.

        Whoever asked for it disposes of it.
        """
        return Database(
            self.engine.url.render_as_string(hide_password=False),
            pool_size=1,
            read_timeout=read_timeout,
        )

    def run(
        self, command: Callable[Concatenate[Session, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run *command* in one transaction; after a lost race, run it again from the start.

        Two requests insert the same key: the loser's second attempt finds the winner's row and
        answers as if it had come later, so no command needs code for that case.

        Raises:
            Unavailable: The database can't be reached, or the races were lost too often. Where the
                connection broke during COMMIT nobody knows whether it happened: only a command with
                a key of the client's makes the retry safe.
        """
        name = command.__name__
        with COMMANDS.labels(name).time():
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    with self._reachable(), self.sessions.begin() as session:
                        return command(session, *args, **kwargs)
                except DBAPIError as error:
                    number = error_number(error)
                    if number not in LOST_RACES:
                        raise
                    log.info("command_lost_race", command=name, attempt=attempt, errno=number)
                    COMMAND_RETRIES.labels(name, str(number)).inc()
                    if attempt == ATTEMPTS:
                        if number == DUPLICATE_KEY:  # a bug of ours: the command never looks
                            raise
                        raise Unavailable from error
                    # Jitter, so that the losers do not meet again.
                    time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311
        raise AssertionError("unreachable")

    def read(
        self, query: Callable[Concatenate[Session, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run *query*, which neither writes nor locks.

        Raises:
            Unavailable: The database can't be reached.
        """
        with self._reachable(), self.sessions() as session:
            return query(session, *args, **kwargs)

    def look(
        self, query: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run *query*, which reads columns only, on a bare connection.

        A session costs as much of the processor as a row that is found by its key.

        Raises:
            Unavailable: The database can't be reached.
        """
        with self._reachable(), self.engine.connect() as connection:
            return query(connection, *args, **kwargs)

    def glance(
        self, query: Callable[Concatenate[Glance, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run *query*, which reads what is read most often, past SQLAlchemy.

        One at a time: there is one connection for all who glance.

        Raises:
            Unavailable: The database can't be reached.
        """
        with self._reachable(), glancing(self._glances) as glance:
            return query(glance, *args, **kwargs)

    @property
    def hangs(self) -> bool:
        """Whether who asked last waited until their time was over."""
        return self._hangs

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        """Turn every way in which the server is away into one, and spare it while it hangs.

        Raises:
            Unavailable: It is away, or it was a moment ago.
        """
        is_trial = self._hangs
        if is_trial and not self._may_try():
            raise Unavailable
        began, hangs = time.monotonic(), False
        try:
            yield
        except PoolTimeout as error:
            hangs = self._hangs
            POOL_TIMEOUTS.inc()
            raise Unavailable from error
        except DBAPIError as error:
            if error_number(error) not in NOT_AVAILABLE:
                raise
            hangs = time.monotonic() - began >= self._patience
            log.warning("database_away", errno=error_number(error), hangs=hangs)
            raise Unavailable from error
        finally:
            self._next_trial_at = time.monotonic() + TRIAL_SECONDS
            self._hangs = hangs
            if is_trial:
                self._trial.release()

    def _may_try(self) -> bool:
        return time.monotonic() >= self._next_trial_at and self._trial.acquire(blocking=False)

    def ping(self) -> None:
        """Ask the server for one row.

        Raises:
            Unavailable: It gave none.
        """
        self.read(_select_one)

    def dispose(self) -> None:
        self.engine.dispose()
        if "_glances" in vars(self):
            self._glances.dispose()


def _call_if_told(on_told: Callable[[], None], session: Session) -> None:
    if session.info.pop(TOLD, False):
        on_told()


def _select_one(session: Session) -> Any:
    return session.execute(text("SELECT 1")).scalar_one()
