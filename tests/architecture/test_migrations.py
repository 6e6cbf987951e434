# SPDX-License-Identifier: Apache-2.0
"""Migrations: numbered, in one line, equal to the models, and reversible, on a real database."""

import re
from importlib import import_module

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Integer, Table, create_engine, inspect, text

from common.migrations import alembic_config, differences, is_at_head, migrate_to_head
from common.roles import migrations_of

FILE_NAME = re.compile(r"\d{4}_[a-z]+(_[a-z0-9]+)+\.py")


def faults_of(directory):
    """What is wrong with a folder of migrations."""
    faults, previous = [], None
    names = sorted(path.name for path in directory.glob("*.py") if path.name != "__init__.py")
    faults += [
        f"{name}: call it by four digits and a verb, such as 0003_add_reservations.py"
        for name in names
        if not FILE_NAME.fullmatch(name)
    ]
    steps = ScriptDirectory.from_config(alembic_config(directory)).walk_revisions()
    in_order = sorted(steps, key=lambda step: step.revision)
    for number, step in enumerate(in_order, start=1):
        if step.revision != f"{number:04d}" or not step.path.rpartition("/")[2].startswith(
            step.revision
        ):
            faults.append(f"{step.path}: its revision must be its number, without a gap")
        if step.down_revision != previous:
            faults.append(f"{step.path}: it must follow {previous}; there is one line of steps")
        previous = step.revision
    return faults


@pytest.fixture
def connection(service, new_schema):
    url = new_schema(service)
    migrate_to_head(url, migrations_of(service))
    engine = create_engine(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_steps_are_numbered_and_in_one_line(service):
    assert migrations_of(service).is_dir(), f"{service} has no migrations"
    assert faults_of(migrations_of(service)) == []


def test_the_migrated_schema_is_what_the_models_say(service, connection):
    metadata = import_module(f"{service}.models").Base.metadata

    assert metadata.tables
    assert differences(connection, metadata) == []


def test_every_step_can_be_taken_back_and_done_again(service, connection):
    config = alembic_config(migrations_of(service), connection)

    command.downgrade(config, "base")
    left = set(inspect(connection).get_table_names()) - {"alembic_version"}
    assert left == set()
    command.upgrade(config, "head")

    assert is_at_head(connection, migrations_of(service))
    assert differences(connection, import_module(f"{service}.models").Base.metadata) == []


def test_keys_and_times_have_types_that_last(service):
    """No TIMESTAMP (it ends in 2038), no naive DATETIME, no float for money, no ENUM."""
    for table in import_module(f"{service}.models").Base.metadata.tables.values():
        for column in table.columns:
            kind = type(column.type).__name__
            where = f"{table.name}.{column.name}"
            assert kind not in {"TIMESTAMP", "DATETIME", "DateTime"}, f"{where}: use Moment"
            assert kind not in {"Float", "FLOAT", "Double", "DOUBLE"}, f"{where}: use BigInteger"
            assert kind not in {"Enum", "ENUM"}, f"{where}: use exact(n): a new word needs no ALTER"


def write_step(directory, name, revision, down):
    (directory / name).write_text(
        f'revision = "{revision}"\ndown_revision = {down!r}\n'
        "def upgrade(): ...\ndef downgrade(): ...\n"
    )


@pytest.mark.parametrize(
    ("second", "fault"),
    [
        (("0002_add_b.py", "0002", None), "it must follow 0001"),
        (("0003_add_b.py", "0003", "0001"), "without a gap"),
        (("0002_add_b.py", "ab12cd", "0001"), "revision must be its number"),
        (("b.py", "0002", "0001"), "four digits and a verb"),
    ],
)
def test_a_planted_fault_in_the_numbering_is_found(tmp_path, second, fault):
    write_step(tmp_path, "0001_create_a.py", "0001", None)
    write_step(tmp_path, *second)

    assert any(fault in found for found in faults_of(tmp_path))


def test_a_planted_difference_to_the_models_is_found(service, connection):
    metadata = import_module(f"{service}.models").Base.metadata
    some = min(metadata.tables.values(), key=lambda table: table.name)
    extra = Table("planted", type(metadata)(), Column("id", Integer, primary_key=True))

    connection.execute(text(f"ALTER TABLE `{some.name}` ADD COLUMN planted INT"))
    found = differences(connection, metadata)
    assert any("planted" in one for one in found)

    connection.execute(text(f"ALTER TABLE `{some.name}` DROP COLUMN planted"))
    connection.execute(text(f"ALTER TABLE `{some.name}` ADD CONSTRAINT ck_planted CHECK (1 = 1)"))
    assert differences(connection, metadata) == [f"CHECK ck_planted of {some.name}"]
    assert "planted" in str(differences(connection, extra.metadata))
