# SPDX-License-Identifier: Apache-2.0
"""The chain of the event log: each row's hash covers the row and the hash of the one before it.

Events come from many handlers at once, so a row is written unsealed, and one sealer at a time gives
it its place. The chain has an order of its own, in which rows were sealed: a row that commits late
is sealed late, and no gap in the numbers of the log has to be waited for.

What the chain proves: no sealed row was changed, taken out, put between or cut off since. Whoever
may write to the schema could still make a whole new chain; the hashes in the worker's log show it.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from operator import attrgetter
from typing import Any

import orjson
from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from analytics.models import Base, LoggedEvent, LogHead
from common.audit import MOST_NAMED, Violation
from common.db import Database
from common.logs import get_logger
from common.rows import update_rows

log = get_logger(__name__)

BEGINNING = bytes(32)
HEAD = 1
SEALED_AT_ONCE = 200
WRITTEN_AT_ONCE = 50
"""For each row that a statement writes the server looks through all of its cases."""
VERIFIED_AT_ONCE = 1000
COLUMNS = tuple(LoggedEvent.__table__.columns)

UNSEALED = (
    select(*COLUMNS)
    .with_hint(LoggedEvent, "FORCE INDEX (uq_event_log_position)")
    .where(LoggedEvent.position.is_(None))
)
"""The index has them in the order of their numbers. To ask for it would sort a whole backlog for
each of its parts; without the hint a log that waits for its first seal is scanned each time."""
IS_UNSEALED = "SELECT EXISTS (SELECT 1 FROM event_log WHERE position IS NULL)"


def link(before: bytes, row: Row[Any], position: int) -> bytes:
    """The hash of *row* at *position* in the chain, behind the row whose hash is *before*."""
    fields = [
        *(position, row.seq, str(row.event_id), row.source, row.type, row.version, row.subject),
        *(row.aggregate_version, row.time.isoformat(), row.correlation_id, row.causation_id),
        row.actor,
    ]
    # JSON holds no raw line break, so that no two rows have the same bytes.
    return sha256(before + orjson.dumps(fields) + b"\n" + bytes(row.body)).digest()


def seal(session: Session) -> int:
    """Give the oldest unsealed rows their places at the end of the chain; returns how many.

    Effects:
        Locks the head: two sealers work one after the other. Their places being unique, two that
        did not could not fork the chain either: one of them would fail.
    """
    head = session.get(LogHead, HEAD, with_for_update=True)
    if head is None:
        head = LogHead(id=HEAD, position=0, hash=BEGINNING)
        session.add(head)
        session.flush()
    rows = sorted(session.execute(UNSEALED.limit(SEALED_AT_ONCE)).all(), key=attrgetter("seq"))
    sealed = []
    for position, row in enumerate(rows, start=head.position + 1):
        head.hash = link(head.hash, row, position)
        sealed.append({"seq": row.seq, "position": position, "hash": head.hash})
    for first in range(0, len(sealed), WRITTEN_AT_ONCE):
        _write(session, sealed[first : first + WRITTEN_AT_ONCE])
    if rows:
        head.position += len(rows)
        log.info("events_sealed", position=head.position, hash=head.hash.hex())
    return len(rows)


def seal_all(database: Database) -> None:
    """Seal until nothing is left, in short transactions."""
    while database.run(seal) == SEALED_AT_ONCE:
        pass


def _write(session: Session, sealed: Sequence[dict[str, Any]]) -> None:
    table = Base.metadata.tables["event_log"]
    # Else a small log is read from its start, through rows that are just being added.
    update_rows(session, table, sealed, keys=["seq"], hint="FORCE INDEX (PRIMARY)")


def breaks(session: Session) -> Iterator[Violation]:
    """Where the chain is broken, page by page from its beginning to its head.

    What is sealed never changes, so rows that are sealed meanwhile disturb nothing.
    """
    end, head_hash = _head(session)
    place, before = 0, BEGINNING
    for row in _rows(session, end):
        if row.position != place + 1:
            yield _broken(place + 1, f"missing up to {row.position - 1}")
        elif row.hash != link(before, row, row.position):
            yield _broken(row.position, f"event {row.event_id} is not what was sealed here")
        place, before = row.position, row.hash
    if place < end:
        yield _broken(place + 1, f"missing up to {end}, where the chain ends")
    elif before != head_hash:
        yield _broken(end, "the head has another hash")
    yield from _beyond(session)


def _head(session: Session) -> tuple[int, bytes]:
    row = session.execute(select(LogHead.position, LogHead.hash)).one_or_none()
    return (row.position, row.hash) if row else (0, BEGINNING)


def _rows(session: Session, end: int) -> Iterator[Row[Any]]:
    """The sealed rows up to *end*, in the order of the chain; a page of them at a time."""
    place = 0
    while True:
        query = select(*COLUMNS).where(LoggedEvent.position > place, LoggedEvent.position <= end)
        page = session.execute(query.order_by(LoggedEvent.position).limit(VERIFIED_AT_ONCE)).all()
        yield from page
        if len(page) < VERIFIED_AT_ONCE:
            return
        place = page[-1].position


def _beyond(session: Session) -> Iterator[Violation]:
    # In one statement: between two of them the sealer may have moved the head.
    end = func.coalesce(select(LogHead.position).scalar_subquery(), 0)
    query = select(LoggedEvent.position, LoggedEvent.event_id).where(LoggedEvent.position > end)
    for row in session.execute(query.order_by(LoggedEvent.position).limit(MOST_NAMED)):
        yield _broken(row.position, f"event {row.event_id} stands behind the end of the chain")


def _broken(place: int, detail: str) -> Violation:
    return Violation(subject=f"event_log/{place}", detail=detail)
