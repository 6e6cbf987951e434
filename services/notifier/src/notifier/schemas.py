# SPDX-License-Identifier: Apache-2.0
"""What may come in, and what goes out."""

from typing import Self

from common.clock import rfc3339
from common.schemas import Page, Shown
from notifier.models import Delivery, Status


class NotificationQuery(Page):
    status: Status | None = None


class NotificationOut(Shown):
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
