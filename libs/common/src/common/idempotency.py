# SPDX-License-Identifier: Apache-2.0
"""Idempotent commands: a client's key, what it asked for, and the answer that it got for it.

A key names the thing that its command makes (its *reference*). Until the answer is stored the
command is in flight; who may go on with it is decided by a lease on that thing, not here.
"""

import re
from collections.abc import Collection, Mapping, Sequence
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
    Row,
    SmallInteger,
    Table,
    and_,
    delete,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.mysql import MEDIUMBLOB
from sqlalchemy.orm import Session

from common.db import Database, Identifier, Moment, database_clock, exact, new_metadata
from common.problems import Problem
from common.rows import CLOCK, insert_rows, update_rows

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
class Claim:
    """A wish to have *key* stand for *reference*.

    Attributes:
        fingerprint: SHA-256 of the request.
    """

    key: Key
    fingerprint: bytes
    reference: UUID

    def row(self) -> dict[str, Any]:
        return {
            "owner_id": self.key.owner_id,
            "key": self.key.word,
            "fingerprint": self.fingerprint,
            "reference": self.reference,
        }


@dataclass(frozen=True, kw_only=True)
class Known:
    """A key that came before, with its answer unless that is still being worked on."""

    fingerprint: bytes
    reference: UUID
    answer: Answer | None

    @classmethod
    def of(cls, row: Row[Any]) -> "Known":
        answer = None if row.status is None else Answer(status=row.status, body=bytes(row.body))
        return cls(fingerprint=bytes(row.fingerprint), reference=row.reference, answer=answer)

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


def claim_all(session: Session, claims: Sequence[Claim]) -> list[Known | None]:
    """Take each key for its reference; where it stands for something already, find what that is.

    Of claims of the same key the first one gets it.

    Raises:
        InProgress: A key was given back at this very moment; the next try will have it.
    """
    # In the order of the table: of two callers with the same keys one waits for the other, and no
    # two for each other.
    ordered = sorted(claims, key=lambda claim: (claim.key.owner_id, claim.key.word))
    rows = [claim.row() for claim in ordered]
    # A key that is there is waited for until whoever makes it has committed. Its length and kind
    # were checked by ``read_key``, so IGNORE has nothing else to ignore.
    computed = {"claimed_at": CLOCK}
    made = insert_rows(session, idempotency_keys, rows, computed=computed, verb="INSERT IGNORE")
    if made == len(claims):
        return [None] * len(claims)
    return _found(session, claims)


def _found(session: Session, claims: Sequence[Claim]) -> list[Known | None]:
    known = find_all(session, [claim.key for claim in claims])
    if any(claim.key not in known for claim in claims):
        raise InProgress
    standing = [known[claim.key] for claim in claims]
    return [
        None if found.reference == claim.reference else found
        for claim, found in zip(claims, standing, strict=True)
    ]


def find(session: Session, key: Key) -> Known | None:
    """What *key* stands for, if anything."""
    return find_all(session, [key]).get(key)


def find_all(session: Session, keys: Collection[Key]) -> dict[Key, Known]:
    """What each of these keys stands for; those that stand for nothing are left out."""
    rows = session.execute(select(idempotency_keys).where(_among(keys)))
    return {Key(owner_id=row.owner_id, word=row.key): Known.of(row) for row in rows}


def finish_all(session: Session, answers: Mapping[Key, Answer]) -> None:
    """Store the answers: from this transaction's commit on every repetition gets these bytes."""
    if not answers:
        return
    rows = [
        {"owner_id": key.owner_id, "key": key.word, "status": answer.status, "body": answer.body}
        for key, answer in answers.items()
    ]
    update_rows(session, idempotency_keys, rows, keys=("owner_id", "key"))


def free_all(session: Session, keys: Collection[Key]) -> None:
    """Give keys back after a failure, so that the next request of each starts anew."""
    if keys:
        session.execute(delete(idempotency_keys).where(_among(keys)))


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


def _among(keys: Collection[Key]) -> ColumnElement[bool]:
    # The owners alone say in which shards to look. Pairs in one IN would be shorter, but MariaDB
    # reads the whole table for a single one.
    table = idempotency_keys.c
    which = [and_(table.owner_id == key.owner_id, table.key == key.word) for key in keys]
    return and_(table.owner_id.in_({key.owner_id for key in keys}), or_(*which))
