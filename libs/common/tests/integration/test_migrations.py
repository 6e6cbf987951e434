# SPDX-License-Identifier: Apache-2.0
"""Migrations: several may be started at once, one works."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, inspect, text

from common import migrations
from common.migrations import MigrationBusy, is_at_head, migrate_to_head

FIRST = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0001", None
def upgrade():
    op.create_table("things", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("INSERT INTO things (id) VALUES (1)")
def downgrade():
    op.drop_table("things")
"""
SECOND = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0002", "0001"
def upgrade():
    op.add_column("things", sa.Column("name", sa.String(20)))
    op.execute("UPDATE things SET name = 'second'")
def downgrade():
    op.drop_column("things", "name")
"""


@pytest.fixture
def versions(tmp_path):
    (tmp_path / "0001_create_things.py").write_text(FIRST)
    return tmp_path


@pytest.fixture
def url(new_schema):
    return new_schema("migrations")


@pytest.fixture
def connection(url):
    engine = create_engine(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_an_empty_schema_gets_everything(url, versions, connection):
    assert not is_at_head(connection, versions)

    assert migrate_to_head(url, versions) is True

    connection.rollback()
    assert is_at_head(connection, versions)
    assert set(inspect(connection).get_table_names()) == {"things", "alembic_version"}


def test_at_head_there_is_nothing_to_do(url, versions):
    migrate_to_head(url, versions)

    assert migrate_to_head(url, versions) is False


def test_a_new_step_is_taken_and_the_old_ones_are_not_repeated(url, versions, connection):
    migrate_to_head(url, versions)
    (versions / "0002_add_name.py").write_text(SECOND)

    assert migrate_to_head(url, versions) is True

    rows = connection.execute(text("SELECT id, name FROM things")).all()
    assert rows == [(1, "second")]


def test_of_several_at_once_one_works_and_the_others_find_nothing_to_do(
    url, versions, connection, monkeypatch
):
    (versions / "0002_add_name.py").write_text(SECOND)
    start, looked, look = threading.Barrier(4), threading.local(), is_at_head

    def look_together(*arguments):
        answer = look(*arguments)
        if not hasattr(looked, "once"):
            looked.once = True
            start.wait(timeout=10)
        return answer

    monkeypatch.setattr(migrations, "is_at_head", look_together)
    with ThreadPoolExecutor(4) as pool:
        worked = list(pool.map(lambda _: migrate_to_head(url, versions), range(4), timeout=60))

    assert sorted(worked) == [False, False, False, True]
    assert connection.execute(text("SELECT COUNT(*) FROM things")).scalar() == 1


def test_somebody_elses_migration_is_waited_for_and_not_for_ever(
    url, versions, connection, monkeypatch
):
    monkeypatch.setattr(migrations, "LOCK_SECONDS", 1)
    name = f"souk-migrate-{connection.engine.url.database}"
    assert connection.execute(text("SELECT GET_LOCK(:name, 0)"), {"name": name}).scalar() == 1

    with pytest.raises(MigrationBusy):
        migrate_to_head(url, versions)

    connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": name})
    assert migrate_to_head(url, versions) is True


def test_a_step_that_fails_says_so_and_lets_the_next_runner_in(url, versions):
    broken = SECOND.replace("UPDATE things", "UPDATE nowhere")
    (versions / "0002_add_name.py").write_text(broken)
    with pytest.raises(Exception, match="nowhere"):
        migrate_to_head(url, versions)

    repaired = SECOND.replace('    op.add_column("things", sa.Column("name", sa.String(20)))\n', "")
    (versions / "0002_add_name.py").write_text(repaired)
    assert migrate_to_head(url, versions) is True
