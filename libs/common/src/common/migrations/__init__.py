# SPDX-License-Identifier: Apache-2.0
"""Migrations: each service's own steps, run by one environment, one runner at a time."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    CheckConstraint,
    Connection,
    MetaData,
    NullPool,
    create_engine,
    event,
    inspect,
    text,
)

from common import driver

LOCK_SECONDS = 60
HERE = Path(__file__).parent


class MigrationBusy(Exception):
    """Somebody else has been migrating this schema for too long."""


def alembic_config(versions: Path, connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def is_at_head(connection: Connection, versions: Path) -> bool:
    """Whether no step is missing. Ends the connection's transaction."""
    wanted = ScriptDirectory.from_config(alembic_config(versions)).get_heads()
    found = MigrationContext.configure(connection).get_current_heads()
    # MySQL keeps a metadata lock on a table that a transaction looked for, even one that is not
    # there yet: whoever waits for the named lock below would keep its holder from creating it.
    connection.rollback()
    return set(found) == set(wanted)


def differences(connection: Connection, metadata: MetaData) -> list[str]:
    """What autogenerate would still change, and CHECK constraints, which it does not look at."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    found = [str(difference) for difference in compare_metadata(context, metadata)]
    inspector = inspect(connection)
    for table in metadata.sorted_tables:
        if inspector.has_table(table.name):
            checks = (one for one in table.constraints if isinstance(one, CheckConstraint))
            there = {str(check["name"]) for check in inspector.get_check_constraints(table.name)}
            wanted = {str(check.name) for check in checks}
            found += [f"CHECK {name} of {table.name}" for name in sorted(wanted ^ there)]
    return found


def migrate_to_head(url: str, versions: Path) -> bool:
    """Run the missing steps; returns whether there were any.

    Several may be started at once: a named lock lets one work, and the others find nothing to do.

    Raises:
        MigrationBusy: The lock did not come free in a minute.
    """
    engine = create_engine(url, isolation_level="READ COMMITTED", poolclass=NullPool)
    event.listen(engine, "do_connect", driver.connect)
    try:
        with engine.connect() as connection:
            if is_at_head(connection, versions):
                return False
            name = {"name": f"souk-migrate-{engine.url.database}", "wait": LOCK_SECONDS}
            if not connection.execute(text("SELECT GET_LOCK(:name, :wait)"), name).scalar():
                raise MigrationBusy(str(engine.url.database))
            # The lock ends with its connection. Releasing it here would, after a lost connection,
            # fail in its turn and hide what really happened.
            if is_at_head(connection, versions):  # somebody else worked while we waited
                return False
            command.upgrade(alembic_config(versions, connection), "head")
            connection.commit()
            return True
    finally:
        engine.dispose()


def migrate_to(connection: Connection, versions: Path, revision: str) -> None:
    """Bring a schema that nobody else has to one revision, which may be an old one.

    Raises:
        CommandError: No step leads there from what the schema is.
    """
    command.upgrade(alembic_config(versions, connection), revision)
    connection.commit()


def must_know(versions: Path, revision: str) -> None:
    """Look for a step.

    Raises:
        CommandError: There is none of that name.
    """
    ScriptDirectory.from_config(alembic_config(versions)).get_revision(revision)


def revision_of(connection: Connection) -> str | None:
    """The last step that a schema has seen; None for one that no step has."""
    return MigrationContext.configure(connection).get_current_revision()
