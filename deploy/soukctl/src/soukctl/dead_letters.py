# SPDX-License-Identifier: Apache-2.0
"""Events that a service could not handle: why, and another try."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from soukctl.config import Config
from soukctl.console import json_option, progress, say, say_beside, say_json, say_table, yes_option
from soukctl.shop import PAGE, Refused, Shop

CONSUMERS = ("analytics", "catalog", "notifier", "orders")
REQUEUED_AT_ONCE = 500

consumer_option = click.option("--consumer", type=click.Choice(CONSUMERS), help="Only this one's.")
type_option = click.option("--type", "event_type", help="Only these, such as OrderPlaced.")


@click.group("dead-letters")
def dead_letters() -> None:
    """Events that a service could not handle: why, and another try."""


@dead_letters.command("list")
@consumer_option
@type_option
@json_option
@click.pass_obj
def list_letters(
    config: Config, *, consumer: str | None, event_type: str | None, as_json: bool
) -> None:
    """List dead letters, oldest first, at most 200; looking changes nothing."""
    found = _ask(Shop.of(config), consumer, event_type)
    if as_json:
        say_json(found)
        return
    if found["items"]:
        columns = ("handle", "consumer", "event_type", "subject", "attempts", "died_at", "error")
        say_table(columns, [[one[name] for name in columns] for one in found["items"]])
    say(f"{found['total']} dead letters.")
    _say_who_is_away(found)


@dead_letters.command()
@click.argument("handle")
@json_option
@click.pass_obj
def show(config: Config, *, handle: str, as_json: bool) -> None:
    """Show all that is known of one dead letter, by its id or handle."""
    found = _ask(Shop.of(config), None, None)
    letter = next((one for one in found["items"] if handle in {one["handle"], one["id"]}), None)
    if letter is None:
        raise Refused(f"There is no dead letter {handle} among the oldest {PAGE}.")
    if as_json:
        say_json(letter)
        return
    for name, value in letter.items():
        say(f"{name}: {value}")


@dead_letters.command()
@click.argument("handles", nargs=-1)
@consumer_option
@type_option
@yes_option
@json_option
@click.pass_obj
def requeue(
    config: Config,
    *,
    handles: Sequence[str],
    consumer: str | None,
    event_type: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Send dead letters back to where they died; all that are meant, unless HANDLES name some.

    Shows first what would be sent, and asks. An event has its effect once, so repeating is safe.
    """
    shop = Shop.of(config)
    wanted = {"ids": list(handles) or None, "consumer": consumer, "event_type": event_type}
    plan = _requeue(shop, wanted, dry_run=True)
    due = len(plan["items"]) if handles else plan["remaining"]
    if not yes and due:
        click.confirm(f"Send {due} dead letters back?", abort=True, err=True)
    sent = _send(shop, wanted, due, quiet=as_json) if due else []
    if as_json:
        say_json({"sent": sent, "unavailable": plan["unavailable"]})
        return
    say(f"{len(sent)} dead letters sent back.")
    _say_who_is_away(plan)


def _ask(shop: Shop, consumer: str | None, event_type: str | None) -> dict[str, Any]:
    found: dict[str, Any] = shop.get(
        "/v1/dead-letters", consumer=consumer, type=event_type, limit=PAGE
    )
    return found


def _requeue(shop: Shop, wanted: Mapping[str, Any], *, dry_run: bool) -> dict[str, Any]:
    body = dict(wanted) | {"limit": REQUEUED_AT_ONCE, "dry_run": dry_run}
    done: dict[str, Any] = shop.post("/v1/dead-letters/requeue", body)
    return done


def _send(shop: Shop, wanted: Mapping[str, Any], due: int, *, quiet: bool) -> list[dict[str, Any]]:
    """Send back as many as there were; what dies again meanwhile is left for the next time."""
    sent: list[dict[str, Any]] = []
    with progress(quiet=quiet) as bar:
        task = bar.add_task("dead letters", total=due, said="")
        while len(sent) < due:
            items = _requeue(shop, wanted, dry_run=False)["items"]
            if not items:
                break
            sent += items
            bar.update(task, completed=len(sent), said=f"{len(sent):,}")
    return sent


def _say_who_is_away(answer: Mapping[str, Any]) -> None:
    if answer["unavailable"]:
        say_beside(f"No answer from {', '.join(answer['unavailable'])}.")
