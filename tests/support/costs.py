# SPDX-License-Identifier: Apache-2.0
"""What a query costs however much there is: rows that are read, never time."""

from dataclasses import dataclass

from sqlalchemy import event, text

from common.db import Database


@dataclass
class Costs:
    """A database, and what a query of it costs. A query gets a session first."""

    database: Database

    def cost(self, query, *args, **kwargs):
        """The rows that *query* reads, those that an index condition turns away included."""
        with self.database.sessions() as session:
            before, again = self._reads(session), self._reads(session)
            found = query(session, *args, **kwargs)
            return found, self._reads(session) - again - (again - before)

    def plans(self, query, *args, **kwargs):
        """How the database goes about each statement that *query* sends."""
        sent = []
        with self.database.sessions() as session:
            connection = session.connection()
            event.listen(connection, "before_cursor_execute", lambda *sql: sent.append(sql[2:4]))
            query(session, *args, **kwargs)
            return [self._plan(connection, *asked) for asked in tuple(sent)]

    @staticmethod
    def _plan(connection, statement, values):
        found = connection.exec_driver_sql(f"EXPLAIN FORMAT=TRADITIONAL {statement}", values)
        return [{name.lower(): row[name] for name in row} for row in found.mappings()]

    @staticmethod
    def _reads(session):
        counted = dict(session.execute(text("SHOW SESSION STATUS LIKE 'Handler%'")).all())
        read = sum(int(value) for name, value in counted.items() if name.startswith("Handler_read"))
        # What MariaDB turns away within an index it counts here only, and what it takes here too.
        attempts = int(counted.get("Handler_icp_attempts", 0))
        return read + attempts - int(counted.get("Handler_icp_match", 0))
