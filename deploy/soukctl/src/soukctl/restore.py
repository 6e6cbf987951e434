# SPDX-License-Identifier: Apache-2.0
"""A backup into empty schemas; what has rows is never touched."""

import hashlib
import os
from contextlib import ExitStack
from datetime import datetime
from itertools import islice
from pathlib import Path

import click
import orjson
from alembic.util import CommandError
from rich.progress import Progress, TaskID
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from analytics.days import add_partitions
from common.migrations import migrate_to, migrate_to_head, must_know, revision_of
from common.roles import migrations_of
from soukctl.archive import Manifest, Reader, Schema, reading
from soukctl.config import SERVICES, Config
from soukctl.console import json_option, progress, say, say_json
from soukctl.databases import database_of
from soukctl.rows import insert_lines, is_empty, lines_of, set_counter, tables_in
from soukctl.shop import Refused

NEXT = (
    "Empty Redis, see that the broker's queues are empty, start the services, and run `soukctl "
    "doctor` and `soukctl audit`."
)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--secrets-to",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A directory for the files of secrets that are in it.",
)
@json_option
@click.pass_obj
def restore(config: Config, *, file: Path, secrets_to: Path | None, as_json: bool) -> None:
    """Fill five empty schemas with what a backup's FILE holds, while no service runs.

    First the whole file is compared with its hashes, and afterwards each table. A schema that has a
    row, a file of secrets that is there already, and a backup of a later release are refused before
    anything is changed; nothing is ever deleted. An older release's is brought up to this one.
    """
    config.need(*(f"{service}_database_url" for service in SERVICES))
    with reading(file) as archive, progress(quiet=as_json) as bar, ExitStack() as stack:
        task = bar.add_task("verifying", total=None, said="")
        if secrets_to is not None:
            _must_have_room(archive, secrets_to)
        for name in archive.verify():
            bar.update(task, said=name)
        schemas = archive.manifest.schemas
        connections = {
            service: stack.enter_context(
                stack.enter_context(database_of(config, service)).engine.connect()
            )
            for service in schemas
        }
        for service, connection in connections.items():
            _must_be_known(service, schemas[service])
            _must_be_empty(service, connection, schemas[service])
        bar.update(task, description="restoring")
        for service, connection in connections.items():
            _prepare(service, connection, archive)
            _fill(service, connection, archive, bar, task)
        for service in schemas:
            migrate_to_head(config.database_url(service), migrations_of(service))
        if secrets_to is not None:
            _put_secrets(archive, secrets_to)
    _report(archive.manifest, as_json=as_json)


def _must_be_known(service: str, schema: Schema) -> None:
    try:
        must_know(migrations_of(service), schema.revision)
    except CommandError as error:
        raise Refused(f"The backup's {service} is of a later release: {error}") from error


def _must_be_empty(service: str, connection: Connection, schema: Schema) -> None:
    tables, revision = tables_in(connection), revision_of(connection)
    if (tables or revision) and revision != schema.revision:
        raise Refused(
            f"The schema of {service} is not empty, and not of the backup's revision "
            f"{schema.revision}: restore into an empty one."
        )
    if full := [table.name for table in tables if not is_empty(connection, table)]:
        raise Refused(
            f"The schema of {service} has rows in {', '.join(full)}: restore into an empty one."
        )
    connection.rollback()


def _prepare(service: str, connection: Connection, archive: Reader) -> None:
    schema = archive.manifest.schemas[service]
    migrate_to(connection, migrations_of(service), schema.revision)
    tables = {table.name: table for table in tables_in(connection)}
    if tables.keys() != schema.tables.keys():
        strange = ", ".join(sorted(tables.keys() ^ schema.tables.keys()))
        raise Refused(f"The schema of {service} and the backup differ in tables: {strange}")
    if service == "analytics":
        _partition_views(connection, archive)
    for name, content in schema.tables.items():
        if content.counter is not None:
            set_counter(connection, tables[name], content.counter)
    connection.commit()


def _partition_views(connection: Connection, archive: Reader) -> None:
    """A partition for each day again: else all old views would have to go with the oldest."""
    for line in islice(archive.lines("analytics", "views"), 1):
        first = datetime.fromisoformat(orjson.loads(line)["at"]).date()
        last = datetime.fromisoformat(archive.manifest.made_at).date()
        with Session(connection) as session:
            add_partitions(session, today=first, days_ahead=(last - first).days)


def _fill(
    service: str, connection: Connection, archive: Reader, bar: Progress, task: TaskID
) -> None:
    """All of a schema or nothing."""
    contents = archive.manifest.schemas[service].tables
    with connection.begin():
        for table in tables_in(connection):
            done = 0
            for count in insert_lines(connection, table, archive.lines(service, table.name)):
                done += count
                bar.update(task, said=f"{service}.{table.name} {done:,}")
            seen = hashlib.sha256()
            for line in lines_of(connection, table):
                seen.update(line)
            if (done, seen.hexdigest()) != (contents[table.name].rows, contents[table.name].sha256):
                raise Refused(
                    f"{service}.{table.name} came out different; its schema is left empty."
                )


def _must_have_room(archive: Reader, directory: Path) -> None:
    for name in archive.manifest.secrets:
        # Whoever made the archive may not choose another directory.
        if Path(name).name != name:
            raise Refused(f"The archive has a file of secrets that is no name: {name}")
        if (directory / name).exists():
            raise Refused(f"{directory / name} is there already; a restore overwrites nothing.")


def _put_secrets(archive: Reader, directory: Path) -> None:
    for name in archive.manifest.secrets:
        # Never over a file that is there.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(directory / name, flags, 0o600), "wb") as file:
            file.write(archive.secret(name))


def _report(manifest: Manifest, *, as_json: bool) -> None:
    rows = manifest.rows()
    if as_json:
        say_json({"made_at": manifest.made_at, "rows": rows, "next": NEXT})
        return
    say(f"{sum(rows.values()):,} rows of {len(rows)} schemas are back, as of {manifest.made_at}.")
    say(NEXT)
