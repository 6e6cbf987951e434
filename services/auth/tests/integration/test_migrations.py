# SPDX-License-Identifier: Apache-2.0
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from auth.models import Base
from common.migrations import alembic_config, migrate_to_head
from common.roles import migrations_of


def test_the_migrations_make_what_the_models_say(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, Base.metadata) == []


def test_the_migrations_make_the_models_constraints(database):
    # Alembic does not compare these.
    checks = "SELECT constraint_name FROM information_schema.table_constraints"
    where = " WHERE constraint_schema = DATABASE() AND constraint_type = 'CHECK'"
    with database.engine.connect() as connection:
        found = set(connection.scalars(text(checks + where)))

    assert found == {"ck_users_role", "ck_users_name", "ck_users_email", "ck_users_anonymous"}


def test_the_steps_go_back_and_forth_again(new_schema):
    url = new_schema("auth")
    versions = migrations_of("auth")
    migrate_to_head(url, versions)
    engine = create_engine(url)
    with engine.connect() as connection:
        command.downgrade(alembic_config(versions, connection), "base")
        connection.commit()
        assert inspect(connection).get_table_names() == ["alembic_version"]
    engine.dispose()

    assert migrate_to_head(url, versions)
    assert not migrate_to_head(url, versions)
