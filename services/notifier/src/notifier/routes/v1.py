# SPDX-License-Identifier: Apache-2.0
"""What was mailed to whom, for admins."""

from uuid import UUID

from apiflask import APIBlueprint

from common.access import requires
from common.app import cursors, database
from common.spec import refuses
from notifier import queries
from notifier.commands.deliveries import resend
from notifier.errors import NotificationNotFound
from notifier.schemas import NotificationOut, NotificationQuery, NotificationsOut

blueprint = APIBlueprint("v1", __name__, url_prefix="/v1/notifications", tag="notifications")


@blueprint.get("")
@requires("admin")
@blueprint.input(NotificationQuery, location="query", arg_name="wanted")
@blueprint.output(NotificationsOut)
def get_notifications(wanted: NotificationQuery) -> NotificationsOut:
    """List what was mailed to whom, newest first."""
    listing = f"notifications:{wanted.status or 'all'}"
    before = _position(listing, wanted.cursor) if wanted.cursor else None
    found = database().read(
        queries.list_deliveries, status=wanted.status, before=before, limit=wanted.limit + 1
    )
    shown = found[: wanted.limit]
    more = len(found) > wanted.limit
    return NotificationsOut(
        items=[NotificationOut.of(delivery) for delivery in shown],
        next_cursor=cursors().make(listing, [shown[-1].id.hex]) if more else None,
    )


@blueprint.post("/<notification_id>/resend")
@requires("admin")
@refuses(NotificationNotFound)
@blueprint.output(NotificationOut, status_code=202)
def post_resend(notification_id: str) -> NotificationOut:
    """Send a mail once more, also one that was sent; one that still waits goes on waiting."""
    delivery = database().run(
        resend,
        delivery_id=_identifier(notification_id),
        now=database().read(queries.current_time),
    )
    return NotificationOut.of(delivery)


def _position(listing: str, cursor: str) -> UUID:
    (position,) = cursors().read(listing, cursor)
    return UUID(position)


def _identifier(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotificationNotFound from None
