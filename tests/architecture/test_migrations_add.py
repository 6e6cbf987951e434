# SPDX-License-Identifier: Apache-2.0
"""Migrations only add: each step keeps all rows, and old code works before, during and after it."""

import io
import re
from contextlib import closing
from datetime import datetime
from decimal import Decimal

import pytest
from alembic import command
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, create_engine, text

from common.migrations import alembic_config
from common.roles import migrations_of

WAY_OUT = (
    "old code runs on the new schema: add now, and take away one release after the last reader"
)
ADD_COLUMN = re.compile(
    r"ALTER TABLE `?(?P<table>\w+)`? ADD COLUMN `?(?P<column>\w+)`? (?P<rest>.*)"
)
ADD_UNIQUE = re.compile(
    r"(?:ALTER TABLE `?(?P<table>\w+)`? ADD (?:CONSTRAINT \w+ )?UNIQUE"
    r"|CREATE UNIQUE INDEX \w+ ON `?(?P<indexed>\w+)`?) \((?P<columns>[^)]*)\)"
)
TABLE_OF = re.compile(r"(?:ALTER TABLE|CREATE (?:UNIQUE )?INDEX \w+ ON) `?(\w+)`?")
HARMLESS = re.compile(r"CREATE (?:TABLE|INDEX) ")

THEN = datetime(2026, 1, 1)  # noqa: DTZ001 - as the columns have it
WORDS = {
    "users": {"role": "user", "username_key": "x"},
    "orders": {"status": "pending", "held_until": THEN},
    "deliveries": {"status": "pending", "due_at": THEN},
    "sales": {"status": "placed"},
    "stock": {"reserved": 0},
}
"""What CHECK constraints want of a row; everything else may be anything."""

SOME = {
    int: 1,
    str: "x",
    bytes: b"\x01" * 16,
    bool: False,
    Decimal: 1,
    datetime: THEN,
}


def steps_of(directory):
    steps = ScriptDirectory.from_config(alembic_config(directory)).walk_revisions()
    return sorted(steps, key=lambda step: step.revision)


def statements_of(step):
    """What a step says to the database."""
    with closing(io.StringIO()) as written:
        options = {"as_sql": True, "output_buffer": written}
        context = MigrationContext.configure(dialect_name="mysql", opts=options)
        with Operations.context(context):
            step.module.upgrade()
        parts = written.getvalue().split(";\n")
    return [" ".join(part.split()) for part in parts if part.strip()]


def faults_of(statements):
    """What in a step old code could stumble over."""
    created = {found[1] for one in statements if (found := re.match(r"CREATE TABLE `?(\w+)", one))}
    added, faults = set(), []
    for statement in statements:
        table = TABLE_OF.match(statement)
        if HARMLESS.match(statement) or (table and table[1] in created):
            continue
        if column := ADD_COLUMN.match(statement):
            added.add((column["table"], column["column"]))
            if "NOT NULL" not in column["rest"] or "DEFAULT" in column["rest"]:
                continue
        if unique := ADD_UNIQUE.match(statement):
            place = unique["table"] or unique["indexed"]
            columns = re.findall(r"\w+", unique["columns"])
            if any((place, name) in added for name in columns):
                continue
        faults.append(f"{statement[:100]}: {WAY_OUT}")
    return faults


def test_every_step_after_the_first_only_adds(service):
    for step in steps_of(migrations_of(service))[1:]:
        assert faults_of(statements_of(step)) == [], step.path


PLANTED = {
    "a table goes": 'op.drop_table("users")',
    "a column goes": 'op.drop_column("users", "email")',
    "a column gets another name": 'op.alter_column("users", "email", new_column_name="mail",'
    " existing_type=sa.String(9))",
    "a table gets another name": 'op.rename_table("users", "people")',
    "a column must be given": 'op.add_column("users", sa.Column("n", sa.Integer(),'
    " nullable=False))",
    "a column may no longer be left out": 'op.alter_column("users", "email", nullable=False,'
    " existing_type=sa.String(9))",
    "what was told twice is refused": 'op.create_unique_constraint("uq", "users", ["fullname"])',
    "what was allowed is refused": 'op.create_check_constraint("ck", "users", "role <> \'x\'")',
    "a reference must exist": 'op.create_foreign_key("fk", "users", "roles", ["role"], ["name"])',
    "rows go": 'op.execute("DELETE FROM users")',
    "by hand": 'op.execute("ALTER TABLE users DROP COLUMN email")',
}


@pytest.mark.parametrize("line", PLANTED.values(), ids=PLANTED)
def test_a_planted_step_that_takes_away_is_found(tmp_path, line):
    head = 'import sqlalchemy as sa\nfrom alembic import op\nrevision = "0001"\n'
    body = f"down_revision = None\ndef upgrade():\n    {line}\ndef downgrade(): ...\n"
    (tmp_path / "0001_break_users.py").write_text(head + body)

    [step] = steps_of(tmp_path)

    assert len(faults_of(statements_of(step))) == 1


def a_row(table):
    """Some row: what may be left out is left out."""
    given = WORDS.get(table.name, {})
    needed = [column for column in table.columns if not column.nullable]
    return {column.name: SOME[column.type.python_type] for column in needed} | given


def rows_of(connection, tables):
    """Every row, by the columns that *tables* know."""
    rows = {}
    for table in tables:
        rows[table.name] = sorted(map(repr, connection.execute(table.select())))
    return rows


def tables_in(connection):
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def test_every_step_keeps_what_earlier_releases_wrote(service, new_schema):
    directory = migrations_of(service)
    engine = create_engine(new_schema(service))
    filled, written = [], {}
    with engine.connect() as connection:
        for step in steps_of(directory):
            command.upgrade(alembic_config(directory, connection), step.revision)
            assert rows_of(connection, filled) == written, f"{step.path} changed rows"
            connection.execute(text("SET foreign_key_checks = 0"))
            for table in tables_in(connection):
                if table.name not in written:
                    connection.execute(table.insert(), a_row(table))
            connection.commit()
            filled = tables_in(connection)
            written = rows_of(connection, filled)
    engine.dispose()

    assert all(written.values()), "every table had a row"
