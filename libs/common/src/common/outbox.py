# SPDX-License-Identifier: Apache-2.0
"""The outbox: events wait in the schema that they come from until the broker has them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    MetaData,
    Row,
    Table,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.mysql import BIGINT, MEDIUMBLOB
from sqlalchemy.orm import Session

from common.clock import utcnow
from common.db import TOLD, Identifier, Moment, exact, new_metadata
from common.events import Envelope, Event
from common.rows import insert_rows

outbox_messages = Table(
    "outbox_messages",
    new_metadata(),
    Column("seq", BIGINT(unsigned=True), primary_key=True, autoincrement=True),
    Column("event_id", Identifier, nullable=False, unique=True),
    Column("type", exact(64), nullable=False),
    Column("subject", exact(64), nullable=False),
    Column("aggregate_version", BigInteger, nullable=False),
    Column("routing_key", exact(128), nullable=False),
    Column("correlation_id", exact(64), nullable=False),
    Column("body", MEDIUMBLOB, nullable=False),
    Column("occurred_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", Moment, nullable=False),
    Index("ix_outbox_messages_next_attempt_at", "next_attempt_at", "seq"),
)

SETTLE = "DELETE FROM outbox_messages WHERE seq IN %(seqs)s ORDER BY seq LIMIT %(count)s"
"""With order and limit these rows are looked up one by one. Without, a small table is read from its
start, through the rows that another relay holds, until one of both is a deadlock's victim."""
POSTPONE = (
    "UPDATE outbox_messages SET next_attempt_at = %(now)s"
    " + INTERVAL LEAST(%(longest)s, %(first)s << LEAST(attempts, 10)) SECOND,"
    " attempts = attempts + 1 WHERE seq IN %(seqs)s ORDER BY seq LIMIT %(count)s"
)

RELAYS_REST: ColumnElement[str] = literal_column("CONCAT('souk-rest-', DATABASE())")
"""Who has this named lock keeps the schema's events in the outbox: a backup, for some seconds."""

CLAIM = (
    "SELECT seq, event_id, type, routing_key, correlation_id, body,"  # noqa: S608 - all of it is ours
    # What the driver does to a moment costs more than all other columns together.
    " TIMESTAMPDIFF(SECOND, '1970-01-01', occurred_at)"
    # Else a long backlog is sorted first, and all of it is locked for these few.
    " FROM outbox_messages FORCE INDEX (PRIMARY)"
    " WHERE seq > %(after)s AND next_attempt_at <= %(now)s"
    f" AND IS_FREE_LOCK({RELAYS_REST}) = 1"
    " ORDER BY seq LIMIT %(limit)s FOR UPDATE SKIP LOCKED"
)

IS_WAITED_FOR = "SELECT EXISTS (SELECT 1 FROM outbox_messages)"
"""Whether there is anything to relay, perhaps later or by somebody else."""

FIRST_DELAY_SECONDS = 1
LONGEST_DELAY_SECONDS = 60


def declare_outbox(metadata: MetaData) -> Table:
    """Give a service's schema its outbox."""
    return outbox_messages.to_metadata(metadata)


def append(session: Session, event: Event, *, version: int) -> Envelope:
    """Promise *event* to the world if, and only if, this transaction commits.

    Args:
        version: The aggregate's version after the change, so that readers can drop stale news.
    """
    envelope = Envelope.seal(event, aggregate_version=version)
    append_all(session, [envelope])
    return envelope


def append_all(session: Session, envelopes: Sequence[Envelope]) -> None:
    """Promise many events in one statement, in their order."""
    if envelopes:
        insert_rows(session, outbox_messages, [_row(envelope) for envelope in envelopes])
        session.info[TOLD] = True


def _row(envelope: Envelope) -> dict[str, Any]:
    return {
        "event_id": envelope.id,
        "type": envelope.type,
        "subject": envelope.subject,
        "aggregate_version": envelope.aggregateversion,
        "routing_key": envelope.routing_key,
        "correlation_id": envelope.correlationid,
        "body": envelope.to_json(),
        "occurred_at": envelope.time,
        "next_attempt_at": envelope.time,
    }


def claim(session: Session, *, limit: int, now: datetime, after: int = 0) -> Sequence[Row[Any]]:
    """Lock the oldest waiting events that nobody else holds.

    By state, never by a high-water mark: rows that commit late have low numbers.

    Args:
        after: The last one that this transaction has claimed already.
    """
    values = {"now": now, "limit": limit, "after": after}
    return session.connection().exec_driver_sql(CLAIM, values).all()


def settle(session: Session, seqs: Collection[int]) -> None:
    """Forget events that the broker has confirmed."""
    if seqs:
        values = {"seqs": tuple(seqs), "count": len(seqs)}
        session.connection().exec_driver_sql(SETTLE, values)


def postpone(session: Session, seqs: Collection[int], *, now: datetime) -> None:
    """Try these again later: a second, then twice as long each time, at most a minute."""
    if seqs:
        delays = {"first": FIRST_DELAY_SECONDS, "longest": LONGEST_DELAY_SECONDS}
        values = {"seqs": tuple(seqs), "count": len(seqs), "now": now}
        session.connection().exec_driver_sql(POSTPONE, values | delays)


def backlog(session: Session) -> tuple[int, float]:
    """How many events wait, and for how many seconds the oldest does."""
    columns = func.count(), func.min(outbox_messages.c.occurred_at)
    depth, oldest = session.execute(select(*columns)).one()
    return depth, (utcnow() - oldest).total_seconds() if oldest else 0.0
