# SPDX-License-Identifier: Apache-2.0
"""The whole shop in one file, while it sells."""

import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress
from sqlalchemy import Connection, text

from common.amqp.inspection import inspect
from common.clock import rfc3339, utcnow
from common.migrations import revision_of
from soukctl.archive import Content, Manifest, Schema, Writer, writing
from soukctl.checks.broker import TOPOLOGIES
from soukctl.config import SERVICES, Config
from soukctl.console import json_option, progress, say, say_beside, say_json
from soukctl.rows import counter_of, lines_of, tables_in
from soukctl.shop import Refused
from soukctl.snapshots import snapshots

LONGEST_REST_SECONDS = 30.0
POLL_SECONDS = 0.5


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--settle",
    type=click.FloatRange(0, LONGEST_REST_SECONDS),
    default=3.0,
    show_default=True,
    help="Seconds for the readers of what has been told; events wait so long, buyers do not.",
)
@click.option(
    "--with-secrets",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="A file of secrets to put in; whoever has the backup then has these.",
)
@json_option
@click.pass_obj
def backup(
    config: Config, *, file: Path, settle: float, with_secrets: Sequence[Path], as_json: bool
) -> None:
    """Write all five schemas, as they are at one moment, into a FILE; the shop goes on selling.

    With AMQP_URL it waits until the broker's queues are read, and tells of what is left in them,
    which is not in the file. Nobody but its owner can read the file, and none is overwritten.
    """
    names = [path.name for path in with_secrets]
    if len(set(names)) < len(names):
        raise click.UsageError("Two files of secrets have the same name.")
    config.need(*(f"{service}_database_url" for service in SERVICES))
    left: dict[str, int] = {}
    with (
        writing(file) as archive,
        progress(quiet=as_json) as bar,
        snapshots(config, lambda: left.update(_settled(config, settle))) as connections,
    ):
        manifest = Manifest(
            made_at=rfc3339(utcnow()),
            souk=version("souk-ctl"),
            server=str(connections["auth"].execute(text("SELECT VERSION()")).scalar_one()),
            schemas=_schemas(connections, archive, bar),
            bindings=_bindings(),
            queues=left if config.amqp_url else None,
            secrets={path.name: archive.secret(path) for path in with_secrets},
        )
        digest = archive.seal(manifest)
    _report(file, manifest, digest, as_json=as_json)


def _settled(config: Config, seconds: float) -> dict[str, int]:
    """Give readers time; returns what the broker's queues have even then."""
    began = time.monotonic()
    time.sleep(seconds)
    if config.amqp_url is None:
        return {}
    [url] = config.need("amqp_url")
    events = {name for topology in TOPOLOGIES for name in topology.queue_names()}
    while True:
        states = inspect(url, TOPOLOGIES)
        left = {one.name: one.messages for one in states if one.messages}
        left = {name: count for name, count in left.items() if not name.endswith(".stream")}
        if not events & left.keys() or time.monotonic() - began > LONGEST_REST_SECONDS:
            return left
        time.sleep(POLL_SECONDS)


def _schemas(
    connections: Mapping[str, Connection], archive: Writer, bar: Progress
) -> dict[str, Schema]:
    task = bar.add_task("tables", total=None, said="")
    schemas = {}
    for service, connection in connections.items():
        revision = revision_of(connection)
        if revision is None:
            raise Refused(f"The schema of {service} was made by no migration.")
        tables = {}
        for table in tables_in(connection):
            bar.update(task, said=f"{service}.{table.name}")
            # Given back after each table: else whoever alters one waits until all are written.
            held = connection.begin_nested()
            rows, digest = archive.table(
                f"{service}/{table.name}.ndjson.gz", lines_of(connection, table)
            )
            counter = counter_of(connection, table)
            held.rollback()
            tables[table.name] = Content(rows=rows, sha256=digest, counter=counter)
        schemas[service] = Schema(revision=revision, tables=tables)
    return schemas


def _bindings() -> dict[str, list[str]]:
    return {
        queue.name: [f"{exchange} {key}" for exchange, key in queue.bindings]
        for topology in TOPOLOGIES
        for queue in topology.queues()
    }


def _report(file: Path, manifest: Manifest, digest: str, *, as_json: bool) -> None:
    rows = manifest.rows()
    if as_json:
        said: dict[str, Any] = {"file": str(file), "bytes": file.stat().st_size, "sha256": digest}
        say_json(said | {"rows": rows, "left_in_queues": manifest.queues})
        return
    size = file.stat().st_size / 1024**2
    say(f"{file}: {sum(rows.values()):,} rows of {len(rows)} schemas, {size:,.1f} MiB.")
    say(f"Its manifest has the hash {digest}.")
    for queue, count in (manifest.queues or {}).items():
        say_beside(f"{count:,} in {queue} are not in it.")
    if manifest.secrets:
        say_beside("It holds secrets: whoever reads it has the shop.")
