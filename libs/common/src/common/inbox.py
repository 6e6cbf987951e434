# SPDX-License-Identifier: Apache-2.0
"""The inbox: what has been handled, remembered in the same transaction as the effect."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Column, MetaData, Table, delete, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.clock import utcnow
from common.db import (
    DUPLICATE_KEY,
    Database,
    Identifier,
    Moment,
    error_number,
    exact,
    new_metadata,
)
from common.rows import insert_rows

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
    now = utcnow()
    rows = [
        {"event_id": event_id, "consumer": consumer, "handled_at": now}
        for event_id in sorted(event_ids)
    ]
    if rows:
        insert_rows(session, inbox_messages, rows)


def remember_new(session: Session, consumer: str, event_ids: Collection[UUID]) -> set[UUID]:
    """Remember these as ``remember`` does; returns which of them were handled before.

    Nearly always none was, so that is not asked first. A statement that fails leaves nothing
    behind, so there is no savepoint: a deadlock would take it away.
    """
    try:
        remember(session, consumer, event_ids)
    except IntegrityError as error:
        if error_number(error) != DUPLICATE_KEY:
            raise
    else:
        return set()
    known = already_handled(session, consumer, event_ids)
    remember(session, consumer, set(event_ids) - known)
    return known


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
