# SPDX-License-Identifier: Apache-2.0
"""Asking the database again and again whether there is work, for as little as that can cost.

One round trip on a kept connection, without a session or a transaction: a tenth of the time that an
empty command takes (docs/decisions/0021).
"""

from sqlalchemy import Connection
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
        self._connection: Connection | None = None

    def ask(self) -> bool:
        """Whether the value is there and not zero.

        Raises:
            Unavailable: The database can't be reached.
        """
        try:
            if self._connection is None:
                opened = self._database.engine.connect()
                self._connection = opened.execution_options(isolation_level="AUTOCOMMIT")
            return bool(self._connection.exec_driver_sql(self._sql).scalar())
        except DBAPIError as error:
            self._drop()
            if error_number(error) not in NOT_AVAILABLE:
                raise
            raise Unavailable from error

    def close(self) -> None:
        """Ask no more."""
        self._drop()
        self._database.dispose()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
