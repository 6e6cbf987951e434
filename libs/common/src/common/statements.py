# SPDX-License-Identifier: Apache-2.0
"""Reading by statements that are made once, as text.

SQLAlchemy needs longer to put a list's statement together, and to know it again, than the database
to answer it (docs/decisions/0027).
"""

from typing import Any

from sqlalchemy import Connection, Select
from sqlalchemy.dialects.mysql.pymysql import dialect


class Statement:
    """A query as the driver takes it.

    Args:
        query: Selects one column; each value in it is a ``bindparam``.
    """

    def __init__(self, query: Select[Any]) -> None:
        self._text = str(query.compile(dialect=dialect(paramstyle="pyformat")))

    def column(self, connection: Connection, **values: Any) -> list[Any]:
        """What it selects, with *values* as the driver takes them: a UUID as its bytes."""
        return [row[0] for row in connection.exec_driver_sql(self._text, values)]
