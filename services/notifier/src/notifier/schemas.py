# SPDX-License-Identifier: Apache-2.0
"""What may come in, and what goes out."""

from typing import Self

from pydantic import ConfigDict
from pydantic.config import JsonDict

from common.clock import rfc3339
from common.schemas import Page, Shown
from notifier.models import Delivery, Status

EXAMPLE: JsonDict = {
    "id": "0199d0a4-5f00-7000-8000-000000000002",
    "event_id": "0199d0a4-5f00-7000-8000-000000000001",
    "event_type": "ProductPriceChanged",
    "recipient": "ada@example.com",
    "subject": "Price changed: Brass lamp 12.50 → 10.00 USD",
    "status": "sent",
    "attempts": 1,
    "created_at": "2026-11-20T12:00:00.000Z",
    "sent_at": "2026-11-20T12:00:01.000Z",
}


class NotificationQuery(Page):
    status: Status | None = None


class NotificationOut(Shown):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: str
    event_id: str
    event_type: str
    recipient: str | None
    subject: str
    status: str
    attempts: int
    created_at: str
    sent_at: str | None

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        return cls(
            id=str(delivery.id),
            event_id=str(delivery.event_id),
            event_type=delivery.event_type,
            recipient=delivery.recipient,
            subject=delivery.subject,
            status=delivery.status,
            attempts=delivery.attempts,
            created_at=rfc3339(delivery.created_at),
            sent_at=rfc3339(delivery.sent_at) if delivery.sent_at else None,
        )


class NotificationsOut(Shown):
    items: list[NotificationOut]
    next_cursor: str | None
