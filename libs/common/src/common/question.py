# SPDX-License-Identifier: Apache-2.0
"""Asking the database again and again whether there is work, for as little as that can cost.

One round trip on a kept connection, without a session or a transaction: a tenth of the time that an
empty command takes (docs/decisions/0021).
"""

from pymysql.err import MySQLError
from sqlalchemy import PoolProxiedConnection
from sqlalchemy.exc import DBAPIError

from common.db import NOT_AVAILABLE, Database, error_number
from common.problems import Unavailable


class Question:
    """Belongs to one thread.

    Args:
        sql: Selects one value.
    """

    def __init__(self, database: Database, sql: str, *, read_timeout: float = 10.0) -> None:
        self._database = database.apart(read_timeout=read_timeout)
        self._sql = sql
        self._connection: PoolProxiedConnection | None = None

    def ask(self) -> bool:
        """Whether the value is there and not zero.

        Raises:
            Unavailable: The database can't be reached.
        """
        try:
            # The driver's own: who looks once a second finds nothing of SQLAlchemy in the
            # processor's caches, and would pay as much for it again.
            cursor = self._open().cursor()
            cursor.execute(self._sql)
            row = cursor.fetchone()
        except (MySQLError, DBAPIError) as error:  # SQLAlchemy's own: what it asks a new server
            self._drop()
            if error_number(error) not in NOT_AVAILABLE:
                raise
            raise Unavailable from error
        return bool(row and row[0])

    def close(self) -> None:
        """Ask no more."""
        self._drop()
        self._database.dispose()

    def _open(self) -> PoolProxiedConnection:
        if self._connection is None:
            self._connection = self._database.engine.raw_connection()
            self._connection.cursor().execute("SET autocommit = 1")
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
