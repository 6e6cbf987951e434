# SPDX-License-Identifier: Apache-2.0
"""The event log: followed as it grows, and a stretch of it told to one service once more."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
import orjson

from analytics.models import LoggedEvent
from analytics.queries import end_of_log, sealed_events
from analytics.timeline import summary
from common.clock import rfc3339
from common.db import Database
from common.problems import Unavailable
from common.subscriber import Poison, read_message
from soukctl.config import Config
from soukctl.console import json_option, progress, say, say_beside, say_json, yes_option
from soukctl.databases import database_of
from soukctl.dead_letters import CONSUMERS
from soukctl.shop import Shop

READ_AT_ONCE = 500
POLL_SECONDS = 0.5


@click.group()
def events() -> None:
    """The event log: followed as it grows, and told to one service once more."""


@events.command()
@click.option("--lines", "-n", type=click.IntRange(0), default=20, show_default=True)
@click.option("--after", type=click.IntRange(0), help="Begin behind this place instead.")
@click.option("--follow", "-f", is_flag=True, help="Go on showing what comes; Ctrl-C ends it.")
@click.option("--type", "types", multiple=True, help="Only these, such as OrderPlaced.")
@json_option
@click.pass_obj
def tail(
    config: Config,
    *,
    lines: int,
    after: int | None,
    follow: bool,
    types: Sequence[str],
    as_json: bool,
) -> None:
    """Show the end of the event log, and follow it; views are not in it.

    By the places in its chain, which have no gaps: no event is left out, also not one that is
    committed late. An event has its place about a second after it was told.
    """
    with database_of(config, "analytics") as database:
        place = after
        if place is None:
            place = max(0, database.read(end_of_log) - lines)
        try:
            for event in _from(database, place, follow=follow):
                place = event.position
                if not types or event.type in types:
                    _show(event, as_json=as_json)
        except KeyboardInterrupt:
            say_beside(f"`--after {place}` goes on from here.")


@events.command()
@click.option("--consumer", type=click.Choice(CONSUMERS), required=True)
@click.option("--from", "start", required=True, help="Such as 2026-11-20T12:00:00Z.")
@click.option("--to", "end", required=True, help="Up to but without this moment.")
@click.option("--type", "types", multiple=True, help="Only these.  [default: all it reads]")
@yes_option
@json_option
@click.pass_obj
def replay(
    config: Config,
    *,
    consumer: str,
    start: str,
    end: str,
    types: Sequence[str],
    yes: bool,
    as_json: bool,
) -> None:
    """Tell one service a stretch of the log once more; what it has handled has no second effect.

    Counts first, and asks. An interrupted replay is repeated as a whole.
    """
    shop = Shop.of(config)
    wanted = {"consumer": consumer, "from": start, "to": end, "types": list(types) or None}
    plan = shop.post("/v1/events/replay", wanted)
    if not as_json:
        for kind, count in plan["by_type"].items():
            say(f"{count:>8,} {kind}")
    if plan["events"] and not yes:
        question = f"Tell {consumer} these {plan['events']:,} events once more?"
        click.confirm(question, abort=True, err=True)
    sent = _replay(shop, wanted, plan["events"], quiet=as_json) if plan["events"] else 0
    if as_json:
        say_json({"consumer": consumer, "events": sent, "by_type": plan["by_type"]})
    else:
        say(f"{sent:,} events told again.")


def _from(database: Database, place: int, *, follow: bool) -> Iterator[LoggedEvent]:
    while True:
        try:
            page = database.read(sealed_events, after=place, limit=READ_AT_ONCE)
        except Unavailable:
            if not follow:
                raise
            page = []
        yield from page
        if page:
            place = page[-1].position or place
        elif not follow:
            return
        else:
            time.sleep(POLL_SECONDS)


def _show(event: LoggedEvent, *, as_json: bool) -> None:
    if as_json:
        say_json({"position": event.position, "event": orjson.Fragment(bytes(event.body))})
        return
    where = f"{event.position} {rfc3339(event.time)} {event.type} {event.subject}"
    say(f"{where} by {event.actor}: {_summary(event)}")


def _summary(event: LoggedEvent) -> str:
    try:
        return summary(read_message(bytes(event.body))[1])
    except Poison:
        return "unreadable"


def _replay(shop: Shop, wanted: Mapping[str, Any], count: int, *, quiet: bool) -> int:
    sent, cursor = 0, None
    with progress(quiet=quiet) as bar:
        task = bar.add_task("events", total=count, said="")
        while True:
            body = dict(wanted) | {"dry_run": False, "cursor": cursor}
            done = shop.post("/v1/events/replay", body)
            sent += int(done["events"])
            bar.update(task, completed=sent, said=f"{sent:,}")
            cursor = done["next_cursor"]
            if cursor is None:
                return sent
