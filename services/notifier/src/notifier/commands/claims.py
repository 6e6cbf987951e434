# SPDX-License-Identifier: Apache-2.0
"""Who sends what next: the one command that hands mails to a worker.

A recipient's mailbox row is locked while that recipient's mails are chosen, so that two workers
neither take the same delivery nor exceed the recipient's budget between them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session

from common.identifiers import uuid7
from notifier.commands.deliveries import MOST_ATTEMPTS
from notifier.models import Delivery, Mailbox, Status

MINUTE = timedelta(seconds=60)
MOST_IN_DIGEST = 2000


@dataclass(frozen=True, kw_only=True)
class ClaimedMail:
    """A mail in this worker's hands until the lease ends.

    Attributes:
        attempt: Counts from 1.
    """

    id: UUID
    user_id: int
    attempt: int


def claim_mails(
    session: Session, *, now: datetime, most: int, burst: int, lease_seconds: float
) -> list[ClaimedMail]:
    """Take up to *most* mails in hand.

    In any minute a recipient gets at most *burst* mails. When more than that is due, the storm
    begins: what is beyond waits for a minute and goes out as one digest, and so does everything of
    each following minute, until a minute brings no more than *burst*.

    A mail whose worker died, or failed, is taken again with the same id and the same contents.

    Proved by tests/integration/test_storms.py and test_claims.py.
    """
    claimed: list[ClaimedMail] = []
    for mailbox in _lock_mailboxes(session, now, most):
        _gather(session, mailbox, now, burst)
        claimed += _take(session, mailbox, now, burst, most - len(claimed))
    if claimed:
        session.execute(
            update(Delivery)
            .where(Delivery.mail_id.in_([mail.id for mail in claimed]), Delivery.due_at <= now)
            .values(
                status=Status.SENDING,
                attempts=Delivery.attempts + 1,
                due_at=now + timedelta(seconds=lease_seconds),
                claimed_at=now,
            )
        )
    return claimed


def _lock_mailboxes(session: Session, now: datetime, most: int) -> list[Mailbox]:
    """The mailboxes that are due, whoever has waited longest first."""
    due = select(Delivery.user_id).where(Delivery.due_at <= now).order_by(Delivery.due_at)
    user_ids = list(dict.fromkeys(session.scalars(due.limit(most))))
    if not user_ids:
        return []
    query = select(Mailbox).where(Mailbox.user_id.in_(user_ids)).order_by(Mailbox.user_id)
    locked = session.scalars(query.with_for_update(skip_locked=True)).all()
    return sorted(locked, key=lambda mailbox: user_ids.index(mailbox.user_id))


def _gather(session: Session, mailbox: Mailbox, now: datetime, burst: int) -> None:
    """Put the deliveries that are due and in no mail yet into mails, or hold them back."""
    query = select(Delivery.id, Delivery.due_at).where(
        Delivery.user_id == mailbox.user_id, Delivery.due_at <= now, Delivery.mail_id.is_(None)
    )
    ordered = query.order_by(Delivery.due_at, Delivery.id).limit(MOST_IN_DIGEST)
    rows = session.execute(ordered.with_for_update()).all()
    held, fresh = mailbox.held_until, [row.id for row in rows]
    if held is not None and now >= held:
        if rows and rows[0].due_at <= held:
            _put(session, fresh, mail_id=uuid7())
            # Only a quiet minute ends the storm; else each minute would bring a burst and a digest.
            mailbox.held_until = now + MINUTE if len(fresh) > burst else None
            return
        held = mailbox.held_until = None
    if not fresh:
        return
    room = 0 if held is not None else _room(session, mailbox.user_id, now, burst)
    for delivery_id in fresh[:room]:
        _put(session, [delivery_id], mail_id=uuid7())
    beyond = fresh[room:]
    if beyond:
        mailbox.held_until = held or now + MINUTE
        _put(session, beyond, due_at=mailbox.held_until)


def _put(session: Session, delivery_ids: Sequence[UUID], **values: Any) -> None:
    if delivery_ids:
        ours = Delivery.id.in_(delivery_ids)
        session.execute(update(Delivery).where(ours).values(**values))


def _room(session: Session, user_id: int, now: datetime, burst: int) -> int:
    """How many more single mails this minute bears, those counted that wait for their sending."""
    waiting = select(func.count(Delivery.mail_id.distinct())).where(
        Delivery.user_id == user_id, Delivery.due_at <= now, Delivery.mail_id.is_not(None)
    )
    left = burst - _mails_of_last_minute(session, user_id, now) - session.scalars(waiting).one()
    return max(0, left)


def _mails_of_last_minute(session: Session, user_id: int, now: datetime) -> int:
    query = select(func.count(Delivery.mail_id.distinct())).where(
        Delivery.user_id == user_id, Delivery.claimed_at > now - MINUTE
    )
    return session.scalars(query).one()


def _take(
    session: Session, mailbox: Mailbox, now: datetime, burst: int, most: int
) -> list[ClaimedMail]:
    """The mails of one mailbox that may go out now; those beyond the budget wait for a minute."""
    query = select(Delivery.id, Delivery.mail_id, Delivery.attempts).where(
        Delivery.user_id == mailbox.user_id, Delivery.due_at <= now, Delivery.mail_id.is_not(None)
    )
    rows = session.execute(query.order_by(Delivery.mail_id).with_for_update()).all()
    mails = [list(members) for _, members in groupby(rows, key=lambda row: row.mail_id)]
    worn_out = [mail for mail in mails if mail[0].attempts >= MOST_ATTEMPTS]
    _put(session, _ids(worn_out), status=Status.FAILED, due_at=None)
    good = [mail for mail in mails if mail[0].attempts < MOST_ATTEMPTS]
    left = max(0, burst - _mails_of_last_minute(session, mailbox.user_id, now))
    _put(session, _ids(good[left:]), status=Status.PENDING, due_at=now + MINUTE)
    return [
        ClaimedMail(id=mail[0].mail_id, user_id=mailbox.user_id, attempt=mail[0].attempts + 1)
        for mail in good[: min(left, most)]
    ]


def _ids(mails: Iterable[Sequence[Row[UUID, UUID | None, int]]]) -> list[UUID]:
    return [row.id for mail in mails for row in mail]
