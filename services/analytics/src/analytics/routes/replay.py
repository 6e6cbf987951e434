# SPDX-License-Identifier: Apache-2.0
"""Replaying the log of events, for admins."""

from datetime import datetime

from apiflask import APIBlueprint
from flask import current_app

from analytics import replay
from analytics.errors import ReplayRefused
from analytics.replay import Consumers, Replayed, Stretch
from analytics.schemas import ReplayAsked, ReplayOut
from analytics.windows import must_be_in_order
from common.access import requires
from common.app import cursors, database
from common.spec import refuses

blueprint = APIBlueprint("replay", __name__, url_prefix="/v1/events", tag="events")


@blueprint.post("/replay")
@requires("admin")
@refuses(ReplayRefused)
@blueprint.input(ReplayAsked, arg_name="asked")
@blueprint.output(ReplayOut)
def post_replay(asked: ReplayAsked) -> ReplayOut:
    """Send what happened in a stretch of time to one consumer once more, as it was told.

    A dry run, unless `dry_run` is false: it counts the whole stretch and sends nothing. A replay
    sends at most `limit` events, oldest first; `next_cursor` goes on. Nobody else hears them, and
    what the consumer has handled before has no second effect, so repeating is safe. Views are not
    in the log.
    """
    must_be_in_order(asked.start, asked.end)
    types = replay.types_for(asked.consumer, asked.types)
    listing = f"replay:{asked.consumer}:{asked.start}:{asked.end}:{types}"
    stretch = Stretch(
        start=asked.start,
        end=asked.end,
        types=types,
        after=_place(listing, asked.cursor),
    )
    if asked.dry_run:
        return _shown(asked, Replayed(by_type=database().read(replay.count, stretch=stretch)), None)
    consumers: Consumers = current_app.extensions["consumers"]
    done = consumers.replay(asked.consumer, stretch=stretch, limit=asked.limit)
    last = [done.last[0].isoformat(), done.last[1]] if done.last else []
    return _shown(asked, done, cursors().make(listing, last) if last else None)


def _shown(asked: ReplayAsked, done: Replayed, next_cursor: str | None) -> ReplayOut:
    return ReplayOut(
        consumer=asked.consumer,
        dry_run=asked.dry_run,
        events=sum(done.by_type.values()),
        by_type=done.by_type,
        next_cursor=next_cursor,
    )


def _place(listing: str, cursor: str | None) -> tuple[datetime, int] | None:
    if cursor is None:
        return None
    time, seq = cursors().read(listing, cursor)
    return datetime.fromisoformat(time), seq
