# SPDX-License-Identifier: Apache-2.0
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from notifier.models import Base


def test_the_migrations_make_what_the_models_say(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, Base.metadata) == []
