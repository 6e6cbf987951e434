# SPDX-License-Identifier: Apache-2.0
"""The database: engine, column types, and the one function that runs a command."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy import BINARY, ColumnElement, MetaData, create_engine, func, text
from sqlalchemy.dialects.mysql import DATETIME, VARCHAR
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.types import TypeDecorator

from common.logs import get_logger
from common.metrics import COMMAND_RETRIES, COMMANDS
from common.problems import Unavailable
from common.settings import DatabaseSettings

log = get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

LOST_RACES = frozenset({1020, 1062, 1205, 1213, 3572})
"""Snapshot conflict, duplicate key, lock wait timeout, deadlock, NOWAIT: whoever runs the whole
command again sees what the winner wrote. By number, never by class: PyMySQL raises a CHECK
violation as the same class as a deadlock."""

NOT_AVAILABLE = frozenset(
    {1040, 1053, 1203, 1290, 1836, 1021, 1114, 2002, 2003, 2006, 2013, 2014, 2055}
)
"""Too many connections, shutting down, read-only, disk full, every way to lose a connection."""

ATTEMPTS = 5

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
        return value and value.astimezone(UTC).replace(tzinfo=None)

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


def error_number(error: DBAPIError) -> int:
    """MySQL's errno, or 0 where the driver gave none."""
    arguments = getattr(error.orig, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else 0


class Database:
    """One service's schema.

    Args:
        url: SQLAlchemy URL; the schema's own user, without rights elsewhere.
        pool_size: Connections at most. Few: hundreds of them on one hot row collapse.
        pool_wait: Seconds to wait for a free one before saying 503.
        lock_wait: Seconds to wait for a row lock; whole seconds, InnoDB knows no others.
        read_timeout: Seconds to wait for any answer, so that a hanging server frees the thread.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        pool_wait: float = 2.0,
        lock_wait: int = 3,
        read_timeout: float = 10.0,
    ) -> None:
        self.engine: Engine = create_engine(
            url,
            isolation_level="READ COMMITTED",
            hide_parameters=True,  # errors are logged and dead-lettered; addresses must not be
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=pool_wait,
            pool_recycle=1800,
            pool_use_lifo=True,
            connect_args={
                "connect_timeout": 2,
                "read_timeout": read_timeout,
                "write_timeout": read_timeout,
                "charset": "utf8mb4",
                "init_command": f"SET time_zone = '+00:00', innodb_lock_wait_timeout = {lock_wait}",
            },
        )
        self.sessions = sessionmaker(self.engine, expire_on_commit=False)

    @classmethod
    def from_settings(cls, settings: DatabaseSettings) -> "Database":
        return cls(
            settings.database_url.get_secret_value(),
            pool_size=settings.database_pool_size,
            pool_wait=settings.database_pool_wait_seconds,
            lock_wait=settings.database_lock_wait_seconds,
            read_timeout=settings.database_read_seconds,
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
                    with self.sessions.begin() as session:
                        return command(session, *args, **kwargs)
                except PoolTimeout as error:
                    raise Unavailable from error
                except DBAPIError as error:
                    number = error_number(error)
                    if number in NOT_AVAILABLE:
                        raise Unavailable from error
                    if number not in LOST_RACES:
                        raise
                    log.info("command_lost_race", command=name, attempt=attempt, errno=number)
                    COMMAND_RETRIES.labels(name, str(number)).inc()
                    if attempt == ATTEMPTS:
                        if number == 1062:  # noqa: PLR2004 - a bug of ours: the command never looks
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
        try:
            with self.sessions() as session:
                return query(session, *args, **kwargs)
        except PoolTimeout as error:
            raise Unavailable from error
        except DBAPIError as error:
            if error_number(error) in NOT_AVAILABLE:
                raise Unavailable from error
            raise

    def ping(self) -> None:
        """Ask the server for one row.

        Raises:
            Unavailable: It gave none.
        """
        self.read(_select_one)

    def dispose(self) -> None:
        self.engine.dispose()


def _select_one(session: Session) -> Any:
    return session.execute(text("SELECT 1")).scalar_one()
