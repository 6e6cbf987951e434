# SPDX-License-Identifier: Apache-2.0
"""A table as lines of JSON and back: the same rows are the same lines on every server.

Tables are taken as they are in the database and not as the code wants them, so that an archive of
an older release fills the tables of that release.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Column, Connection, MetaData, Table, func, select, text

BATCH = 500
MOST_BYTES = 1 << 20
READ_AT_ONCE = 20
"""A picture may have megabytes."""
COUNTER = re.compile(r"\bAUTO_INCREMENT=(\d+)")
OTHERS = frozenset({"alembic_version"})


def tables_in(connection: Connection) -> list[Table]:
    """The tables of a schema, those that others refer to first; without Alembic's."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name not in OTHERS]


def lines_of(connection: Connection, table: Table) -> Iterator[bytes]:
    """Each row as a line, in the order of the primary key; few are in memory at once."""
    columns = _kept(table)
    names = [str(column.name) for column in columns]  # orjson takes no kind of str but str itself
    query = select(*columns).order_by(*table.primary_key.columns)
    streamed = connection.execution_options(yield_per=READ_AT_ONCE)
    with streamed.execute(query) as rows:
        for row in rows:
            said = (_said(value) for value in row)
            record = dict(zip(names, said, strict=True))
            yield orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def insert_lines(connection: Connection, table: Table, lines: Iterable[bytes]) -> Iterator[int]:
    """Insert what ``lines_of`` made; says after each statement how many rows those were.

    Raises:
        KeyError: A line lacks a column.
    """
    columns = _kept(table)
    for batch in _batches(lines):
        connection.execute(table.insert(), [_row(columns, line) for line in batch])
        yield len(batch)


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """As many as are quick in one statement; of pictures few."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if len(batch) == BATCH or size > MOST_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def counter_of(connection: Connection, table: Table) -> int | None:
    """Which number the next row gets; it may be beyond the last row's, and must never be less."""
    made = connection.execute(text(f"SHOW CREATE TABLE `{table.name}`")).one()[1]
    found = COUNTER.search(made)
    return int(found[1]) if found else None


def set_counter(connection: Connection, table: Table, number: int) -> None:
    connection.execute(text(f"ALTER TABLE `{table.name}` AUTO_INCREMENT = {number:d}"))


def is_empty(connection: Connection, table: Table) -> bool:
    query = select(func.count()).select_from(
        select(text("1")).select_from(table).limit(1).subquery()
    )
    return connection.execute(query).scalar_one() == 0


def _kept(table: Table) -> list[Column[Any]]:
    """All but what the server computes."""
    return [column for column in table.columns if column.computed is None]


def _said(value: Any) -> Any:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="microseconds")
    return value if value is None or isinstance(value, int | str) else str(value)


def _row(columns: Iterable[Column[Any]], line: bytes) -> dict[str, Any]:
    record = orjson.loads(line)
    return {column.name: _value(column, record[column.name]) for column in columns}


def _value(column: Column[Any], said: Any) -> Any:
    is_bytes = column.type.python_type is bytes
    return b64decode(said) if is_bytes and said is not None else said
