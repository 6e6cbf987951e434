# SPDX-License-Identifier: Apache-2.0
"""What the database is asked, counted where it goes out: deterministic budgets for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

from pymysql.connections import Connection
from sqlalchemy import event

from common.db import Database


@dataclass
class Asked:
    """What went out in a block.

    Attributes:
        statements: Each as it left the driver, which sends some lists of values one by one; without
            what a new connection says first.
        commits: How many transactions were committed: so many times a disk is waited for.
    """

    statements: list[str] = field(default_factory=list)
    commits: int = 0


@contextmanager
def counting(database: Database) -> Iterator[Asked]:
    """Counts in the block; only *database*'s commits, but the statements of the whole process."""
    asked, send = Asked(), Connection.query

    def query(connection: Connection, sql: str | bytes, unbuffered: bool = False) -> int:  # noqa: FBT001, FBT002 - the driver's
        words = sql if isinstance(sql, str) else sql.decode(errors="replace")
        if not words.startswith("SET "):
            asked.statements.append(words)
        return send(connection, sql, unbuffered)

    def commit(_connection: object) -> None:
        asked.commits += 1

    with patch.object(Connection, "query", query):
        event.listen(database.engine, "commit", commit)
        try:
            yield asked
        finally:
            event.remove(database.engine, "commit", commit)
