# SPDX-License-Identifier: Apache-2.0
"""Idempotent commands: a client's key, what it asked for, and the answer that it got for it.

A key names the thing that its command makes (its *reference*). Until the answer is stored the
command is in flight; who may go on with it is decided by a lease on that thing, not here.
"""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BINARY,
    BigInteger,
    Column,
    ColumnElement,
    CursorResult,
    MetaData,
    SmallInteger,
    Table,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.mysql import MEDIUMBLOB
from sqlalchemy.orm import Session

from common.db import Database, Identifier, Moment, database_clock, exact, new_metadata
from common.problems import Problem

KEY = re.compile(r"[\x21-\x7e]{1,255}")
KEEP_DAYS = 7
MOST_ROWS = 1000

idempotency_keys = Table(
    "idempotency_keys",
    new_metadata(),
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", exact(255), primary_key=True),
    Column("fingerprint", BINARY(32), nullable=False),
    Column("reference", Identifier, nullable=False),
    Column("status", SmallInteger),
    Column("body", MEDIUMBLOB),
    Column("claimed_at", Moment, nullable=False, index=True),
)


class IdempotencyKeyMissing(Problem):
    status = 400
    detail = "Send an Idempotency-Key header, so that a repeated request can't act twice."


class IdempotencyKeyInvalid(Problem):
    status = 400
    detail = "An Idempotency-Key has 1 to 255 visible ASCII characters."


class IdempotencyKeyReused(Problem):
    status = 422
    detail = "This Idempotency-Key came before with another request."


class InProgress(Problem):
    """Somebody is at it; the answer is not known yet."""

    status = 409
    detail = "A request like this is being worked on; ask again with the same key."

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


@dataclass(frozen=True, kw_only=True)
class Key:
    """One client's key; another client's same word is another key."""

    owner_id: int
    word: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the client got, to the byte. A 5xx is none: nothing was promised with it."""

    status: int
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Known:
    """A key that came before, with its answer unless that is still being worked on."""

    fingerprint: bytes
    reference: UUID
    answer: Answer | None

    def must_match(self, fingerprint: bytes) -> None:
        """Refuse another request under the same key.

        Raises:
            IdempotencyKeyReused: It is another.
        """
        if self.fingerprint != fingerprint:
            raise IdempotencyKeyReused


def declare_idempotency(metadata: MetaData) -> Table:
    """Give a service's schema its memory of keys."""
    return idempotency_keys.to_metadata(metadata)


def read_key(header: str | None) -> str:
    """The key in a request's ``Idempotency-Key`` header.

    Raises:
        IdempotencyKeyMissing, IdempotencyKeyInvalid: There is none, or it is none.
    """
    if not header:
        raise IdempotencyKeyMissing
    if not KEY.fullmatch(header):
        raise IdempotencyKeyInvalid
    return header


def claim(session: Session, key: Key, *, fingerprint: bytes, reference: UUID) -> Known | None:
    """Take *key* for *reference*, or find what it stands for already.

    Args:
        fingerprint: SHA-256 of the request.

    Raises:
        IdempotencyKeyReused: It stands for another request.
        InProgress: It was given back at this very moment; the next try will have it.
    """
    # Looking and inserting in one statement: a new key, the usual case, costs one round trip. Two
    # at once both see nothing; the second fails with a duplicate key and its rerun sees the first.
    values = (
        literal(key.owner_id, BigInteger),
        literal(key.word, idempotency_keys.c.key.type),
        literal(fingerprint, BINARY(32)),
        literal(reference, Identifier),
        database_clock(),
    )
    columns = ["owner_id", "key", "fingerprint", "reference", "claimed_at"]
    absent = ~exists().where(_is(key))
    made: CursorResult[Any] = session.connection().execute(
        insert(idempotency_keys).from_select(columns, select(*values).where(absent))
    )
    if made.rowcount:
        return None
    known = find(session, key)
    if known is None:
        raise InProgress
    known.must_match(fingerprint)
    return known


def find(session: Session, key: Key) -> Known | None:
    """What *key* stands for, if anything."""
    row = session.execute(select(idempotency_keys).where(_is(key))).one_or_none()
    if row is None:
        return None
    answer = None if row.status is None else Answer(status=row.status, body=bytes(row.body))
    return Known(fingerprint=bytes(row.fingerprint), reference=row.reference, answer=answer)


def finish(session: Session, key: Key, answer: Answer) -> None:
    """Store the answer: from this transaction's commit on every repetition gets these bytes."""
    values = {"status": answer.status, "body": answer.body}
    session.execute(update(idempotency_keys).where(_is(key)).values(values))


def free(session: Session, key: Key) -> None:
    """Give *key* back after a failure, so that its next request starts anew."""
    session.execute(delete(idempotency_keys).where(_is(key)))


def forget_keys(database: Database, *, keep_days: int = KEEP_DAYS) -> int:
    """Drop old keys, by the database's clock; returns how many.

    Effects:
        Deletes in transactions of at most a thousand rows, so that no request waits for it.
    """
    total = 0
    while True:
        gone = database.run(_forget_some, days=keep_days)
        total += gone
        if gone < MOST_ROWS:
            return total


def _forget_some(session: Session, *, days: int) -> int:
    before = func.timestampadd(text("DAY"), -days, database_clock())
    old = delete(idempotency_keys).where(idempotency_keys.c.claimed_at < before)
    some = old.with_dialect_options(mysql_limit=MOST_ROWS)
    gone: CursorResult[Any] = session.connection().execute(some)
    return gone.rowcount


def _is(key: Key) -> ColumnElement[bool]:
    table = idempotency_keys.c
    return and_(table.owner_id == key.owner_id, table.key == key.word)
