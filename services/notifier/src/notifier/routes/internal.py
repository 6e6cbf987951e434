# SPDX-License-Identifier: Apache-2.0
"""What other services ask notifier."""

from typing import Annotated
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, jsonify
from pydantic import BeforeValidator, Field

from common.access import internal
from common.app import database
from common.clock import rfc3339
from common.schemas import Query
from notifier import queries

blueprint = APIBlueprint("internal", __name__, url_prefix="/internal", enable_openapi=False)

MOST_EVENTS = 100
"""More ids would not fit into the line of a request."""


class NotificationsOfEvents(Query):
    event_ids: Annotated[
        list[UUID],
        BeforeValidator(lambda text: str(text).split(",")),
        Field(min_length=1, max_length=MOST_EVENTS),
    ]


@blueprint.get("/notifications")
@internal
@blueprint.input(NotificationsOfEvents, location="query", arg_name="wanted")
def get_notifications(wanted: NotificationsOfEvents) -> Response:
    """What these events were mailed as, and to whom; addresses stay here."""
    found = database().read(queries.deliveries_of_events, event_ids=wanted.event_ids)
    items = [
        {
            "id": str(delivery.id),
            "event_id": str(event_id),
            "user_id": delivery.user_id,
            "subject": delivery.subject,
            "status": delivery.status,
            "created_at": rfc3339(delivery.created_at),
            "sent_at": rfc3339(delivery.sent_at) if delivery.sent_at else None,
        }
        for event_id, delivery in found
    ]
    return jsonify({"items": items})
