# SPDX-License-Identifier: Apache-2.0
"""Reading by the driver itself, for what is read for every page.

SQLAlchemy needs as long to send a statement as the driver needs to send it and to read the answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pymysql import Error
from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import DBAPIError

from common.traces import asking


class Glance:
    """A connection that commits each statement by itself, and is there to read."""

    def __init__(self, connection: PoolProxiedConnection) -> None:
        self._connection = connection

    def rows(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any]
    ) -> Sequence[tuple[Any, ...]]:
        """What *sql* selects."""
        with asking(sql):
            cursor = self._connection.cursor()
            cursor.execute(sql, parameters)
            return cursor.fetchall()

    def first_column(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        """The first value of each row that *sql* selects."""
        return [row[0] for row in self.rows(sql, parameters)]


@contextmanager
def glancing(engine: Engine) -> Iterator[Glance]:
    """A connection for the block; one that something went wrong with is not used again.

    Raises:
        DBAPIError: Whatever the driver says, as SQLAlchemy would say it.
    """
    try:
        connection = engine.raw_connection()
        try:
            yield Glance(connection)
        except BaseException:
            connection.invalidate()
            raise
        connection.close()
    except Error as error:
        raise DBAPIError(None, None, error, hide_parameters=True) from error
