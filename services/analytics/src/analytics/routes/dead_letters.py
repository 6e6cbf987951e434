# SPDX-License-Identifier: Apache-2.0
"""Dead letters of all services, for admins."""

from apiflask import APIBlueprint
from flask import current_app

from analytics.dead_letters import DeadLetterOffice
from analytics.schemas import (
    DeadLettersAsked,
    DeadLettersShown,
    RequeueAsked,
    RequeuedShown,
)
from common.access import requires

blueprint = APIBlueprint(
    "dead_letters", __name__, url_prefix="/v1/dead-letters", tag="dead letters"
)


def _office() -> DeadLetterOffice:
    office: DeadLetterOffice = current_app.extensions["dead_letters"]
    return office


@blueprint.get("")
@requires("admin")
@blueprint.input(DeadLettersAsked, location="query", arg_name="asked")
@blueprint.output(DeadLettersShown)
def get_dead_letters(asked: DeadLettersAsked) -> DeadLettersShown:
    """List events that a service could not handle, oldest first; looking changes nothing.

    A service that is away is named in `unavailable`, and the others' letters are listed.
    """
    found = _office().list(consumer=asked.consumer, event_type=asked.type, limit=asked.limit)
    return DeadLettersShown(items=found.items, total=found.count, unavailable=found.unavailable)


@blueprint.post("/requeue")
@requires("admin")
@blueprint.input(RequeueAsked, arg_name="asked")
@blueprint.output(RequeuedShown)
def post_requeue(asked: RequeueAsked) -> RequeuedShown:
    """Send dead letters back to the queues that they died in, to be tried anew.

    It happens at once unless `dry_run` is true. `ids` are ids or handles; without them, and without
    a type or consumer, all are meant. At most `limit` of each consumer go in one call, so ask again
    while `remaining` falls. Repeating is safe: an event has its effect once.
    """
    done = _office().requeue(**asked.model_dump())
    return RequeuedShown(
        dry_run=asked.dry_run,
        items=done.items,
        remaining=done.count,
        unavailable=done.unavailable,
    )
