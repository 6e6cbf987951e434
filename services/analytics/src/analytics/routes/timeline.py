# SPDX-License-Identifier: Apache-2.0
"""What became of an order, and why."""

from uuid import UUID

from apiflask import APIBlueprint
from flask import current_app

from analytics.errors import OrderNotFound
from analytics.schemas import TimelineOut
from analytics.timeline import Mails, Story, story_of
from common.access import identity, requires
from common.app import database
from common.problems import Unavailable
from common.spec import refuses

blueprint = APIBlueprint("timeline", __name__, url_prefix="/v1/orders", tag="orders")

READERS = ("admin", "analyst")


@blueprint.get("/<uuid:order_id>/timeline")
@requires()
@refuses(OrderNotFound)
@blueprint.output(TimelineOut)
def get_timeline(order_id: UUID) -> TimelineOut:
    """Tell an order's story, from its request to its mails, causes before effects.

    For its customer, admins and analysts; a customer is not told how the stock stands, nor of mails
    to others. News take a moment to arrive. Where notifier does not answer, the mails are missing
    and `unavailable` names it.
    """
    story = _readable(database().read(story_of, order_id=order_id))
    mails: Mails = current_app.extensions["mails"]
    try:
        return TimelineOut.of(order_id, story.with_mails(mails.of(story.items)))
    except Unavailable:
        return TimelineOut.of(order_id, story, unavailable=["notifier"])


def _readable(story: Story) -> Story:
    """What the asker may see of it.

    Raises:
        OrderNotFound: Nothing: nobody has told of such an order, or it is somebody else's.
    """
    if not story.items:
        raise OrderNotFound
    if identity().role in READERS:
        return story
    if identity().user_id != story.customer_id:
        raise OrderNotFound
    return story.for_customer()
