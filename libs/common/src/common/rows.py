# SPDX-License-Identifier: Apache-2.0
"""Many rows in one statement, also where the database computes a column, such as its own clock.

The driver makes one INSERT of many rows only where every value is a parameter; else it sends them
one by one. SQLAlchemy's own form for that is compiled anew for every batch, which takes six times
as much of the processor (docs/decisions/0023).
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import CursorResult, Table, TextClause, bindparam, text
from sqlalchemy.orm import Session

CLOCK = "UTC_TIMESTAMP(6)"


def insert_rows(
    session: Session,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    computed: Mapping[str, str],
    verb: str = "INSERT",
) -> int:
    """Insert at least one row, all in one statement; returns how many were made.

    Args:
        rows: Values by column, of the same columns in each.
        computed: SQL by column, of the others.
        verb: ``INSERT IGNORE`` passes over rows whose key is there. It also bends values that do
            not fit, so they must be known to.
    """
    names = tuple(rows[0])
    statement = _inserting(table, verb, names, tuple(computed.items()), len(rows))
    values = {f"{name}_{number}": row[name] for number, row in enumerate(rows) for name in names}
    done: CursorResult[Any] = session.connection().execute(statement, values)
    return done.rowcount


@cache
def _inserting(
    table: Table,
    verb: str,
    names: tuple[str, ...],
    computed: tuple[tuple[str, str], ...],
    count: int,
) -> TextClause:
    columns = ", ".join(f"`{name}`" for name in (*names, *dict(computed)))
    rows = ", ".join(
        f"({', '.join([*(f':{name}_{number}' for name in names), *dict(computed).values()])})"
        for number in range(count)
    )
    types = [
        bindparam(f"{name}_{number}", type_=table.c[name].type)
        for name in names
        for number in range(count)
    ]
    return text(f"{verb} INTO {table.name} ({columns}) VALUES {rows}").bindparams(*types)
