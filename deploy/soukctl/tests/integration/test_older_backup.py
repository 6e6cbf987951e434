# SPDX-License-Identifier: Apache-2.0
"""A backup of another release: an older one is brought up to date, a later one is refused."""

import json

import pytest
from sqlalchemy import NullPool, create_engine, select, text

from common.migrations import migrate_to, migrate_to_head, revision_of
from common.roles import migrations_of
from soukctl.rows import counter_of, tables_in

FIRST, LATER = "0001", "9999"
NOW = "'2026-01-02 03:04:05.000006'"
ROWS = {
    "auth": "users (id, username, username_key, role, guest, token_epoch, version, created_at,"
    f" updated_at) VALUES (7, 'Zoë', 'zoë', 'user', 0, 1, 1, {NOW}, {NOW})",
    "catalog": f"prices VALUES (7, 1, 250, 'USD', 'user/7', {NOW})",
    "orders": "customers VALUES (7, 'zoë', 0, 0, 1)",
    "notifier": "recipients VALUES (7, 'zoë', NULL, NULL, 'admin', 0, 1)",
    # A later step gave this table columns.
    "analytics": "event_log VALUES (7, REPEAT('e', 16), 'souk/auth', 'UserRegistered', 'v1',"
    f" 'user/7', 1, {NOW}, 'c', NULL, 'user/7', '{{}}')",
}
"""One of each service, in the tables of its first step."""


def connect(url):
    return create_engine(url, poolclass=NullPool).connect()


def rows_of(connection):
    return {
        table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
        for table in tables_in(connection)
    }


@pytest.fixture
def older(target):
    """Schemas that saw the first step only; gives their addresses, and the rows of each."""
    urls, rows = target(), {}
    for service, url in urls.items():
        with connect(url) as connection:
            migrate_to(connection, migrations_of(service), FIRST)
            connection.execute(text(f"INSERT INTO {ROWS[service]}"))
            connection.commit()
            rows[service] = rows_of(connection)
    return urls, rows


@pytest.fixture
def back_up(soukctl, tmp_path):
    def make():
        path = tmp_path / "other.tar"
        outcome = soukctl("backup", str(path), "--settle", "0")
        assert outcome.exit_code == 0, outcome.output
        return str(path)

    return make


def test_a_backup_of_an_older_release_is_brought_up_to_this_one(soukctl, older, back_up, target):
    _, rows = older
    archive = back_up()
    urls = target()

    outcome = soukctl("restore", archive, "--json")

    assert outcome.exit_code == 0, outcome.output
    assert json.loads(outcome.stdout)["rows"] == dict.fromkeys(ROWS, 1)
    # Every step was done, and every table is what this release's code wants.
    checked = soukctl("db", "check")
    assert checked.exit_code == 0, checked.output
    for service, url in urls.items():
        with connect(url) as connection:
            found = rows_of(connection)
            counters = {one.name: counter_of(connection, one) for one in tables_in(connection)}
        for table, then in rows[service].items():
            kept = [
                {name: now[name] for name in old}
                for old, now in zip(then, found[table], strict=True)
            ]
            assert kept == then, f"{service}.{table}"
        if service == "analytics":
            assert counters["event_log"] == 8
            # For the worker to seal, as after an upgrade.
            assert found["event_log"][0]["position"] is None


def test_schemas_of_this_release_are_not_filled_with_an_older_one(soukctl, older, back_up, target):
    archive = back_up()
    for service, url in target().items():
        migrate_to_head(url, migrations_of(service))

    outcome = soukctl("restore", archive)

    assert outcome.exit_code == 1
    assert "restore into an empty one" in outcome.stderr


def test_a_backup_of_a_later_release_is_refused_before_anything_is_changed(
    soukctl, older, back_up, target
):
    urls, _ = older
    with connect(urls["analytics"]) as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{LATER}'"))
        connection.commit()
    archive = back_up()
    empty = target()

    outcome = soukctl("restore", archive)

    assert outcome.exit_code == 1
    assert "The backup's analytics is of a later release" in outcome.stderr
    for url in empty.values():
        with connect(url) as connection:
            assert (tables_in(connection), revision_of(connection)) == ([], None)
