# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, date, datetime, timedelta

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from analytics import commands, days
from analytics.models import Base
from common.db import Database
from common.migrations import migrate_to_head
from common.roles import migrations_of

TODAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def fresh(new_schema) -> Database:
    url = new_schema("analytics")
    migrate_to_head(url, migrations_of("analytics"))
    return Database(url)


def test_the_migrations_make_what_the_models_say(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, Base.metadata) == []


def test_each_day_to_come_gets_a_partition_once(new_schema):
    database = fresh(new_schema)

    def add(today: date) -> list[str]:
        return database.run(days.add_partitions, today=today, days_ahead=2)

    assert add(TODAY) == ["p20261120", "p20261121", "p20261122"]
    assert add(TODAY) == []
    assert add(TODAY + timedelta(days=1)) == ["p20261123"]
    assert add(TODAY - timedelta(days=9)) == []
    assert database.read(days.partitions) == [
        "p20261120",
        "p20261121",
        "p20261122",
        "p20261123",
    ]
    database.dispose()


def record(database: Database, *told) -> None:
    views = [
        commands.NewView(
            at=envelope.time,
            event_id=envelope.id,
            product_id=event.product_id,
            viewer_id=event.viewer_id,
            session=event.session,
            status=event.status,
        )
        for event, envelope in told
    ]
    database.run(commands.record_views, views=views)


def stored(database: Database, partition: str = "") -> int:
    where = f"PARTITION ({partition})" if partition else ""
    with database.engine.connect() as connection:
        return connection.scalar(text(f"SELECT COUNT(*) FROM views {where}"))


def test_views_that_came_before_their_partition_move_into_it(new_schema, teller):
    database = fresh(new_schema)
    record(database, teller.view(), teller.view(), teller.view(at=NOON + timedelta(days=1)))
    assert stored(database, "p_future") == 3

    database.run(days.add_partitions, today=TODAY, days_ahead=0)

    assert (stored(database, "p20261120"), stored(database, "p_future")) == (2, 1)
    database.dispose()


def test_a_day_is_dropped_in_one_statement(new_schema, teller):
    database = fresh(new_schema)
    database.run(days.add_partitions, today=TODAY, days_ahead=1)
    record(database, teller.view(), teller.view(at=NOON + timedelta(days=1)))

    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE views DROP PARTITION p20261120"))

    assert stored(database) == stored(database, "p20261121") == 1
    database.dispose()
