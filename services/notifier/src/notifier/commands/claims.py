# SPDX-License-Identifier: Apache-2.0
"""Who sends what next: the one command that hands mails to a worker.

A recipient's mailbox row is locked while that recipient's mails are chosen, so that two workers
neither take the same delivery nor exceed the recipient's budget between them.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.orm import Session

from common.identifiers import uuid7
from common.rows import update_rows
from notifier.commands.deliveries import DELIVERIES, MOST_ATTEMPTS
from notifier.models import Delivery, Mailbox, Status

MINUTE = timedelta(seconds=60)
MOST_IN_DIGEST = 2000
NAMED_AT_ONCE = 100
BY_READER = "FORCE INDEX (ix_deliveries_user_id_due_at)"
"""Found by time, a worker's rows lie between those that other workers have locked."""


@dataclass(frozen=True, kw_only=True)
class ClaimedMail:
    """A mail in this worker's hands until the lease ends.

    Attributes:
        attempt: Counts from 1.
    """

    id: UUID
    user_id: int
    attempt: int


class _Due(NamedTuple):
    """A delivery that somebody should look at."""

    id: UUID
    user_id: int
    mail_id: UUID | None
    attempts: int
    due_at: datetime
    claimed_at: datetime | None


@dataclass(kw_only=True)
class _Desk:
    """What lies before one recipient's mailbox.

    Attributes:
        fresh: What is due and in no mail yet, the oldest first.
        mails: What is due, by its mail.
        recent: How many mails were taken in hand in the last minute.
    """

    mailbox: Mailbox
    fresh: list[_Due]
    mails: dict[UUID, list[_Due]]
    recent: int

    def add(self, deliveries: list[_Due], now: datetime) -> UUID:
        """Make a mail of these."""
        mail_id = uuid7()
        self.mails[mail_id] = deliveries
        # What is sent again counts as what it was sent in before.
        self.recent += any(one.claimed_at and one.claimed_at > now - MINUTE for one in deliveries)
        return mail_id


@dataclass(kw_only=True)
class _Changes:
    """What is to be written about deliveries.

    Attributes:
        single: Mails of one delivery each.
        shared: Deliveries by the values that they all get.
    """

    single: list[dict[str, Any]] = field(default_factory=list)
    shared: defaultdict[tuple[tuple[str, Any], ...], list[UUID]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def put(self, deliveries: Sequence[_Due], **values: Any) -> None:
        if deliveries:
            self.shared[tuple(values.items())] += [one.id for one in deliveries]

    def write(self, session: Session) -> None:
        for start in range(0, len(self.single), NAMED_AT_ONCE):
            some = self.single[start : start + NAMED_AT_ONCE]
            update_rows(session, DELIVERIES, some, keys=("id",))
        for values, ids in self.shared.items():
            session.execute(update(Delivery).where(Delivery.id.in_(ids)).values(**dict(values)))


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
    changes = _Changes()
    for desk in _desks(session, now, _lock_mailboxes(session, now, most)):
        _gather(desk, now, burst, changes)
        claimed += _take(desk, now, burst, most - len(claimed), changes)
    changes.write(session)
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


def _desks(session: Session, now: datetime, mailboxes: Sequence[Mailbox]) -> list[_Desk]:
    if not mailboxes:
        return []
    user_ids = [mailbox.user_id for mailbox in mailboxes]
    oldest = _due(user_ids, now, Delivery.mail_id.is_(None)).order_by(Delivery.due_at, Delivery.id)
    fresh = _by_user(session, oldest.limit(MOST_IN_DIGEST))
    if len(mailboxes) > 1 and sum(map(len, fresh.values())) == MOST_IN_DIGEST:
        # Whether a storm is over is decided by all that came to one recipient.
        return [desk for mailbox in mailboxes for desk in _desks(session, now, [mailbox])]
    waiting = _by_user(session, _due(user_ids, now, Delivery.mail_id.is_not(None)))
    recent = _mails_of_last_minute(session, user_ids, now)
    return [
        _Desk(
            mailbox=mailbox,
            fresh=fresh[mailbox.user_id],
            mails=_by_mail(waiting[mailbox.user_id]),
            recent=recent.get(mailbox.user_id, 0),
        )
        for mailbox in mailboxes
    ]


def _due(
    user_ids: Collection[int], now: datetime, which: ColumnElement[bool]
) -> Select[tuple[UUID, int, UUID | None, int, datetime | None, datetime | None]]:
    columns = (getattr(Delivery, name) for name in _Due._fields)
    due = select(*columns).where(Delivery.user_id.in_(user_ids), Delivery.due_at <= now, which)
    return due.with_hint(Delivery, BY_READER).with_for_update()


def _by_user(session: Session, query: Select[Any]) -> defaultdict[int, list[_Due]]:
    found: defaultdict[int, list[_Due]] = defaultdict(list)
    for row in session.execute(query):
        found[row.user_id].append(_Due(*row))
    return found


def _by_mail(deliveries: Sequence[_Due]) -> dict[UUID, list[_Due]]:
    mails: defaultdict[UUID, list[_Due]] = defaultdict(list)
    for delivery in deliveries:
        if delivery.mail_id is not None:
            mails[delivery.mail_id].append(delivery)
    return mails


def _mails_of_last_minute(
    session: Session, user_ids: Collection[int], now: datetime
) -> dict[int, int]:
    query = (
        select(Delivery.user_id, func.count(Delivery.mail_id.distinct()).label("mails"))
        .where(Delivery.user_id.in_(user_ids), Delivery.claimed_at > now - MINUTE)
        .group_by(Delivery.user_id)
    )
    return {row.user_id: row.mails for row in session.execute(query)}


def _gather(desk: _Desk, now: datetime, burst: int, changes: _Changes) -> None:
    """Put the deliveries that are due and in no mail yet into mails, or hold them back."""
    mailbox, fresh, held = desk.mailbox, desk.fresh, desk.mailbox.held_until
    if held is not None and now >= held:
        if fresh and fresh[0].due_at <= held:
            changes.put(fresh, mail_id=desk.add(fresh, now))
            # Only a quiet minute ends the storm; else each minute would bring a burst and a digest.
            mailbox.held_until = now + MINUTE if len(fresh) > burst else None
            return
        held = mailbox.held_until = None
    # How many more single mails this minute bears, those counted that wait for their sending.
    room = 0 if held is not None else max(0, burst - desk.recent - len(desk.mails))
    for one in fresh[:room]:
        changes.single.append({"id": one.id, "mail_id": desk.add([one], now)})
    beyond = fresh[room:]
    if beyond:
        mailbox.held_until = held or now + MINUTE
        changes.put(beyond, due_at=mailbox.held_until)


def _take(
    desk: _Desk, now: datetime, burst: int, most: int, changes: _Changes
) -> list[ClaimedMail]:
    """The mails of one mailbox that may go out now; those beyond the budget wait for a minute."""
    good = []
    for mail_id, deliveries in sorted(desk.mails.items()):
        attempts = deliveries[0].attempts
        if attempts >= MOST_ATTEMPTS:
            changes.put(deliveries, status=Status.FAILED, due_at=None)
        else:
            user_id = desk.mailbox.user_id
            good.append(ClaimedMail(id=mail_id, user_id=user_id, attempt=attempts + 1))
    left = max(0, burst - desk.recent)
    for mail in good[left:]:
        changes.put(desk.mails[mail.id], status=Status.PENDING, due_at=now + MINUTE)
    return good[: min(left, most)]
