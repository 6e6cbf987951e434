# SPDX-License-Identifier: Apache-2.0
"""The inbox: what has been handled, remembered in the same transaction as the effect."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Column, MetaData, Table, delete, insert, select, tuple_
from sqlalchemy.orm import Session

from common.clock import utcnow
from common.db import Database, Identifier, Moment, exact, new_metadata

KEEP_DAYS = 30
MOST_ROWS = 1000

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


def forget_handled(database: Database, *, keep_days: int = KEEP_DAYS) -> int:
    """Drop what no dead letter can ask for any more; returns how many rows went.

    Effects:
        Deletes in transactions of at most a thousand rows, so that no consumer waits for it.
    """
    before = utcnow() - timedelta(days=keep_days)
    total = 0
    while True:
        gone = database.run(_forget_some, before=before)
        total += gone
        if gone < MOST_ROWS:
            return total


def _forget_some(session: Session, *, before: datetime) -> int:
    old = inbox_messages.c.handled_at < before
    keys = [inbox_messages.c.event_id, inbox_messages.c.consumer]
    rows = session.execute(select(*keys).where(old).limit(MOST_ROWS)).all()
    if rows:
        session.execute(delete(inbox_messages).where(tuple_(*keys).in_([tuple(r) for r in rows])))
    return len(rows)
