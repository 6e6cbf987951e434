# SPDX-License-Identifier: Apache-2.0
"""The inbox: what has been handled, remembered in the same transaction as the effect."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, MetaData, Table, delete, insert, select
from sqlalchemy.orm import Session

from common.clock import utcnow
from common.db import Identifier, Moment, exact, new_metadata

inbox_messages = Table(
    "inbox_messages",
    new_metadata(),
    Column("event_id", Identifier, primary_key=True),
    Column("consumer", exact(64), primary_key=True),
    Column("handled_at", Moment, nullable=False, index=True),
)


def declare_inbox(metadata: MetaData) -> Table:
    """Give a service's schema its inbox."""
    return inbox_messages.to_metadata(metadata)


def already_handled(session: Session, consumer: str, event_ids: Collection[UUID]) -> set[UUID]:
    """Which of these events *consumer* has handled before."""
    query = select(inbox_messages.c.event_id).where(
        inbox_messages.c.event_id.in_(event_ids), inbox_messages.c.consumer == consumer
    )
    return set(session.scalars(query))


def remember(session: Session, consumer: str, event_ids: Collection[UUID]) -> None:
    """Remember that these are handled, if and only if this transaction commits.

    The primary key decides between two workers that handle the same event at once: the second
    fails with a duplicate key, and its whole transaction with it.
    """
    rows = [
        {"event_id": event_id, "consumer": consumer, "handled_at": utcnow()}
        for event_id in sorted(event_ids)
    ]
    if rows:
        session.execute(insert(inbox_messages), rows)


def forget(session: Session, *, before: datetime, limit: int = 1000) -> int:
    """Drop what no dead letter can ask for any more, a bounded number of rows at a time."""
    old = (
        select(inbox_messages.c.event_id, inbox_messages.c.consumer)
        .where(inbox_messages.c.handled_at < before)
        .order_by(inbox_messages.c.handled_at)
        .limit(limit)
    )
    rows = session.execute(old).all()
    for row in rows:
        session.execute(
            delete(inbox_messages).where(
                inbox_messages.c.event_id == row.event_id,
                inbox_messages.c.consumer == row.consumer,
            )
        )
    return len(rows)
