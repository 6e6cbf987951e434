# SPDX-License-Identifier: Apache-2.0
"""Reading by statements that are made once, as text.

SQLAlchemy needs longer to put a list's statement together, and to know it again, than the database
to answer it (docs/decisions/0027).
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select
from sqlalchemy.dialects.mysql.pymysql import dialect


class Statement:
    """A query as the driver takes it.

    Args:
        query: Each value in it is a ``bindparam``.
    """

    def __init__(self, query: Select[*tuple[Any, ...]]) -> None:
        self._text = str(query.compile(dialect=dialect(paramstyle="pyformat")))

    def rows(self, connection: Connection, **values: Any) -> Sequence[Row[Any]]:
        """What it selects, as the driver gives it; *values* as it takes them: UUIDs as bytes."""
        return connection.exec_driver_sql(self._text, values).all()

    def column(self, connection: Connection, **values: Any) -> list[Any]:
        """The first column of ``rows``."""
        return [row[0] for row in self.rows(connection, **values)]
