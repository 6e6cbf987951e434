# SPDX-License-Identifier: Apache-2.0
"""Whether a statement finds its rows by a shard key; see deploy/vitess."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import sqlglot
from sqlalchemy import Connection
from sqlglot import exp

ROOT = Path(__file__).parents[2]
ROOM = ROOT / "deploy" / "vitess"
SERVICES = ("auth", "catalog", "orders", "notifier", "analytics")
PARAMETER = re.compile(r"%\(\w+\)s|%s")
CONSTANT = (exp.Placeholder, exp.Literal)
OURS = re.compile(r"/(?:services/\w+|libs/common)/src/(.+)\.py$")
MECHANISM = re.compile(
    r"/sqlalchemy/|/contextlib\.py$|/common/(?:rows|statements)\.py$|/support/shards\.py$|^<"
)

QUERY = (exp.Select, exp.Update, exp.Delete)
STATEMENT = (*QUERY, exp.Insert, exp.SetOperation)

Place = tuple[int, str, str]
"""A column: in which query of the statement, of which table there, its name."""


@cache
def vschema_of(service: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOM / f"{service}.vschema.json").read_text())
    return found


@cache
def intended() -> dict[str, str]:
    """The functions that ask all shards on purpose, each with its reason."""
    found: dict[str, str] = json.loads((ROOM / "scatters.json").read_text())
    return found


def shard_keys(table: dict[str, Any]) -> list[str]:
    """The columns by which Vitess finds rows of a table; the first says where a row lives."""
    return [vindex["column"] for vindex in table.get("column_vindexes", [])]


@cache
def scattered(service: str, statement: str) -> tuple[str, ...]:
    """The tables whose rows *statement* looks for, or puts, without knowing in which shard."""
    sql = PARAMETER.sub("?", statement).replace("%%", "%")
    tree = sqlglot.parse_one(sql, dialect="mysql")
    if not isinstance(tree, STATEMENT):
        return ()
    named_here = {query.alias for query in tree.find_all(exp.CTE)} | {"DUAL"}
    described = vschema_of(service)["tables"]
    lost = [
        table
        for table in tree.find_all(exp.Table)
        if table.name
        and table.db != "information_schema"
        and table.name not in named_here
        and "pinned" not in described[table.name]
    ]
    bound, equal = _known(tree)
    while found := [table for table in lost if _is_found(table, described[table.name], bound)]:
        lost = [table for table in lost if not any(table is one for one in found)]
        # A join goes on from the rows that it has found: their columns are known then.
        places = {_place_of(table) for table in found}
        bound |= {other for known, other in equal if known in bound or known[:2] in places}
    return tuple(dict.fromkeys(table.name for table in lost))


def _is_found(table: exp.Table, described: dict[str, Any], bound: set[Place]) -> bool:
    keys = shard_keys(described)
    if isinstance(table.parent, exp.Schema) and isinstance(table.parent.parent, exp.Insert):
        given = {column.name for column in table.parent.expressions}
        return keys[0] in given | {described.get("auto_increment", {}).get("column")}
    return any((*_place_of(table), key) in bound for key in keys)


def _place_of(table: exp.Table) -> tuple[int, str]:
    return id(table.find_ancestor(*QUERY)), table.alias_or_name


def _known(tree: exp.Expression) -> tuple[set[Place], list[tuple[Place, Place]]]:
    """The columns that are equal to constants, and the pairs that are equal to each other."""
    bound: set[Place] = set()
    equal: list[tuple[Place, Place]] = []
    for condition in _conditions(tree):
        match condition:
            case exp.EQ(this=exp.Column() as left, expression=exp.Column() as right):
                here = id(condition.find_ancestor(*QUERY))
                pairs = ((_place(left), _place(right)), (_place(right), _place(left)))
                # A subquery uses what is known around it, and not the other way about.
                equal += [(known, other) for known, other in pairs if other[0] == here]
            case exp.EQ(this=exp.Column() as column, expression=value) if isinstance(
                value, CONSTANT
            ):
                bound.add(_place(column))
            case exp.In(this=one):
                bound.update(_place(column) for column in one.find_all(exp.Column))
    while more := {other for known, other in equal if known in bound} - bound:
        bound |= more
    return bound, equal


def _conditions(tree: exp.Expression) -> Iterator[exp.Expression]:
    """What must hold for a row; what stands below OR or NOT need not."""
    for clause in tree.find_all(exp.Where, exp.Join):
        held = clause.this if isinstance(clause, exp.Where) else clause.args.get("on")
        if held is not None:
            parts = held.unnest().flatten() if isinstance(held.unnest(), exp.And) else [held]
            yield from (part.unnest() for part in parts)


def _place(column: exp.Column) -> Place:
    query = column.find_ancestor(*QUERY)
    while query is not None:
        tables = [
            table.alias_or_name
            for table in query.find_all(exp.Table)
            if table.find_ancestor(*QUERY) is query
        ]
        if column.table in tables or (not column.table and tables):
            return id(query), column.table or tables[0], column.name
        query = query.find_ancestor(*QUERY)
    return 0, column.table, column.name


@dataclass
class Watch:
    """Listens to the statements of our own functions.

    Attributes:
        heard: Who sent any.
        faults: Who asks all shards and is not known to do so on purpose, and how.
    """

    heard: set[str] = field(default_factory=set)
    faults: dict[str, str] = field(default_factory=dict)

    def hear(self, connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        service = str(connection.engine.url.database).partition("_")[0]
        who = _caller() if service in SERVICES else None
        if who is None:
            return
        self.heard.add(who)
        lost = scattered(service, statement)
        if lost and who not in intended():
            self.faults[who] = f"{who} looks for {', '.join(lost)} in all shards: {statement}"


def _caller() -> str | None:
    """The function of ours that issues the current statement, None where a test does."""
    frame = sys._getframe()
    while frame and MECHANISM.search(frame.f_code.co_filename):
        frame = frame.f_back
    if frame and frame.f_code.co_filename.endswith("/common/db.py"):
        return _name(frame.f_locals["command"]) if "command" in frame.f_locals else None
    return _name(frame.f_code) if frame else None


def _name(code: Any) -> str | None:
    code = getattr(code, "__code__", code)
    found = OURS.search(code.co_filename)
    if found is None or "/testing/" in code.co_filename:
        return None
    module = found[1].replace("/", ".")
    return f"{module}.{code.co_qualname.partition('.<locals>')[0]}"
