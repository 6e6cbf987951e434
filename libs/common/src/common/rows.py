# SPDX-License-Identifier: Apache-2.0
"""Many rows in one statement, each with values of its own, as text that is made once.

The rows of an INSERT are one parameter of it: neither spans nor errors show them. PyMySQL by itself
sends rows one by one where the database fills a column, and an UPDATE always. SQLAlchemy's own
forms for many rows are compiled anew for every number of rows, and their parameters go through it
one by one (docs/decisions/0023).
"""

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table
from sqlalchemy.orm import Session

from common.driver import Rows

CLOCK = "UTC_TIMESTAMP(6)"

Row = Mapping[str, Any]
"""Values by column."""


def insert_rows(
    session: Session,
    table: Table,
    rows: Sequence[Row],
    *,
    computed: Mapping[str, str] = MappingProxyType({}),
    verb: str = "INSERT",
    also: str = "",
) -> int:
    """Insert at least one row, all in one statement; returns how many were made.

    Args:
        rows: Of the same columns in each.
    """
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return insert_columns(session, table, columns, computed=computed, verb=verb, also=also)


def insert_columns(
    session: Session,
    table: Table,
    columns: Mapping[str, Sequence[Any]],
    *,
    computed: Mapping[str, str] = MappingProxyType({}),
    verb: str = "INSERT",
    also: str = "",
) -> int:
    """Insert at least one row, all in one statement; returns how many were made.

    The statement is one packet, for which servers have a limit: of long rows not many at once.

    Args:
        columns: Each with its value for every row.
        computed: SQL by column, of the others.
        verb: ``INSERT IGNORE`` passes over rows whose key is there. It also bends values that do
            not fit, so they must be known to.
        also: SQL of what comes behind the rows.
    """
    connection = session.connection()
    statement = _inserting(table, verb, tuple(columns), tuple(computed), also)
    bound = [_bound(connection, table, name, values) for name, values in columns.items()]
    rows = Rows(bound, tuple(computed.values()))
    return connection.exec_driver_sql(statement, {"rows": rows}).rowcount


def update_rows(
    session: Session,
    table: Table,
    rows: Sequence[Row],
    *,
    keys: Sequence[str],
    still: Sequence[str] = (),
    formulas: Mapping[str, str] = MappingProxyType({}),
    also: str = "",
    where: str = "",
    hint: str = "",
) -> int:
    """Give each of these rows its own values, all in one statement; returns how many were found.

    Args:
        rows: Of the same columns in each, with its key.
        keys: The columns that say which row is meant. The first one alone tells shards apart.
        still: Columns that are not written: the row must hold just these values.
        formulas: SQL by column, of what is written, where ``{}`` stands for the row's own value.
        also: SQL of what else is set, the same for every row.
        where: SQL of what else must be true of a row.
        hint: Which index to find them by, such as ``FORCE INDEX (PRIMARY)``.
    """
    written = tuple(formulas.items())
    shape = _Shape(tuple(rows[0]), tuple(keys), tuple(still), written, also, where, hint)
    return _run(session.connection(), table, _updating(table, shape, len(rows)), rows)


def _run(connection: Connection, table: Table, statement: str, rows: Sequence[Row]) -> int:
    values: dict[str, Any] = {}
    for name in rows[0]:
        bound = _bound(connection, table, name, [row[name] for row in rows])
        values |= {f"{name}_{number}": value for number, value in enumerate(bound)}
    return connection.exec_driver_sql(statement, values).rowcount


def _bound(connection: Connection, table: Table, name: str, values: Sequence[Any]) -> Sequence[Any]:
    bind = table.c[name].type.bind_processor(connection.dialect)
    return values if bind is None else [bind(value) for value in values]


@cache
def _inserting(
    table: Table, verb: str, names: tuple[str, ...], computed: tuple[str, ...], also: str
) -> str:
    columns = ", ".join(f"`{name}`" for name in (*names, *computed))
    return f"{verb} INTO {table.name} ({columns}) VALUES %(rows)s {also}".rstrip()


class _Shape(NamedTuple):
    """What an UPDATE of many rows looks like, whatever their values are."""

    names: tuple[str, ...]
    keys: tuple[str, ...]
    still: tuple[str, ...]
    formulas: tuple[tuple[str, str], ...]
    also: str
    where: str
    hint: str


@cache
def _updating(table: Table, shape: _Shape, count: int) -> str:
    numbers, keys = range(count), shape.keys
    which = [" AND ".join(f"`{key}` = {_value(key, number)}" for key in keys) for number in numbers]

    def each(name: str) -> str:
        values = (f"WHEN {row} THEN {_value(name, n)}" for n, row in enumerate(which))
        return f"CASE {' '.join(values)} END"

    written = [name for name in shape.names if name not in {*keys, *shape.still}]
    formulas = dict(shape.formulas)
    changes = [f"`{name}` = {formulas.get(name, '{}').format(each(name))}" for name in written]
    changes += filter(None, [shape.also])
    true = [_among(keys, which), *(f"`{name}` = {each(name)}" for name in shape.still)]
    true += filter(None, [shape.where])
    # Of our own names and texts; what comes from outside is a parameter.
    what = f"{table.name} {shape.hint}".rstrip()
    return f"UPDATE {what} SET {', '.join(changes)} WHERE {' AND '.join(true)}"  # noqa: S608


def _among(keys: Sequence[str], which: Sequence[str]) -> str:
    # The first key alone says in which shards to look. Pairs in one IN would be shorter, but
    # MariaDB reads the whole table for a single one.
    firsts = ", ".join(_value(keys[0], number) for number in range(len(which)))
    among = f"`{keys[0]}` IN ({firsts})"
    return among if len(keys) == 1 else f"{among} AND ({' OR '.join(which)})"


def _value(name: str, number: int) -> str:
    return f"%({name}_{number})s"
