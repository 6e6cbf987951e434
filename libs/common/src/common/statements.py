# SPDX-License-Identifier: Apache-2.0
"""Statements that are made once, as text.

SQLAlchemy needs longer to put a list's statement together, and to know it again, than the database
to answer it (docs/decisions/0027).
"""

from collections.abc import Sequence
from typing import Any, overload

from sqlalchemy import Connection, CursorResult, Row, Select, Update
from sqlalchemy.dialects.mysql.pymysql import dialect

from common.glances import Glance


class Statement:
    """A query, or a change of rows, as the driver takes it.

    Args:
        query: What differs from time to time in it is a ``bindparam``.
    """

    def __init__(self, query: Select[*tuple[Any, ...]] | Update) -> None:
        made = query.compile(dialect=dialect(paramstyle="pyformat"))
        self._text = str(made)
        self._kept = {name: bound.value for name, bound in made.binds.items() if not bound.required}

    def run(self, connection: Connection, **values: Any) -> CursorResult[Any]:
        """Send it, with *values* as the driver takes them: UUIDs as bytes."""
        return connection.exec_driver_sql(self._text, self._kept | values)

    @overload
    def rows(self, connection: Connection, **values: Any) -> Sequence[Row[Any]]: ...

    @overload
    def rows(self, connection: Connection | Glance, **values: Any) -> Sequence[Sequence[Any]]: ...

    def rows(self, connection: Connection | Glance, **values: Any) -> Sequence[Sequence[Any]]:
        """What it selects, as the driver gives it."""
        if isinstance(connection, Glance):
            return connection.rows(self._text, self._kept | values)
        return self.run(connection, **values).all()

    def column(self, connection: Connection, **values: Any) -> list[Any]:
        """The first column of ``rows``."""
        return [row[0] for row in self.rows(connection, **values)]
