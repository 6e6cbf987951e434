# SPDX-License-Identifier: Apache-2.0
"""State changes of notices and deliveries. Nothing here sends anything."""

import random
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import accumulate
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Table, Update, bindparam, case, delete, select, update
from sqlalchemy.orm import Session

from common.db import database_clock
from common.identifiers import uuid7
from common.rows import insert_rows
from common.statements import Statement
from notifier.errors import NotificationNotFound
from notifier.models import ADMIN, Base, Delivery, Mailbox, Notice, NoticePart, Recipient, Status
from notifier.queries import parts_of, product_names, readers
from notifier.stories import Part, Story, first_part, tell

DELIVERIES = Base.metadata.tables["deliveries"]
MAILBOXES = Base.metadata.tables["mailboxes"]

MOST_ATTEMPTS = 10
FIRST_DELAY_SECONDS = 5
DELAY_GROWTH = 3
LONGEST_DELAY_SECONDS = 3600

FANNED_OUT_AT_ONCE = 100
DELIVERED_AT_ONCE = 5000
"""What a transaction makes is locked until its end, and nobody is written to meanwhile."""
INSERTED_AT_ONCE = 100
"""A statement is one packet, for which servers have a limit, and admins have none."""
FORGOTTEN_AT_ONCE = 500


def fan_out(session: Session, *, now: datetime, gather_seconds: float, currency: str) -> int:
    """Make the deliveries of notices that have had their time to gather, the oldest first.

    News go to those who are admins at this moment and have an address; a receipt goes to its
    customer, also to one whom auth has not told us about yet.

    Returns:
        How many notices were closed; fewer than are ripe where too many are told of each.
    """
    ripe = (
        select(Notice.id, Notice.customer_id)
        .where(
            Notice.fanned_out_at.is_(None),
            Notice.opened_at <= now - timedelta(seconds=gather_seconds),
        )
        .order_by(Notice.opened_at)
        .limit(FANNED_OUT_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    open_ones = session.execute(ripe).all()
    if not open_ones:
        return 0
    told = _told(session, {notice.customer_id for notice in open_ones})
    notices = _at_once(open_ones, told)
    ids = [notice.id for notice in notices]
    parts = parts_of(session, ids)
    names = product_names(session.connection(), parts.values())
    rows = []
    for notice in notices:
        story = tell(parts[notice.id], currency=currency, names=names)
        about = _about(notice.id, parts[notice.id], story) | {"created_at": now}
        rows += [{**about, "id": uuid7(), **reader} for reader in told[notice.customer_id]]
    held = _mailboxes(session, {row["user_id"] for row in rows})
    for row in rows:
        row["due_at"] = max(now, held[row["user_id"]] or now)
    _insert(session, DELIVERIES, rows)
    session.execute(update(Notice).where(Notice.id.in_(ids)).values(fanned_out_at=now))
    return len(notices)


def _at_once(
    notices: Sequence[Row[UUID, int | None]], told: Mapping[int | None, Sequence[Any]]
) -> Sequence[Row[UUID, int | None]]:
    """The first of them that make a transaction's worth of deliveries, one at least."""
    made = accumulate(len(told[notice.customer_id]) for notice in notices)
    count = sum(so_far <= DELIVERED_AT_ONCE for so_far in made)
    return notices[: max(1, count)]


def _told(
    session: Session, customer_ids: Collection[int | None]
) -> dict[int | None, list[dict[str, Any]]]:
    """Who gets the notices of each of these customers; those of nobody are for all admins."""
    customers = [customer_id for customer_id in customer_ids if customer_id is not None]
    told: dict[int | None, list[dict[str, Any]]] = {}
    if len(customers) < len(customer_ids):
        told[None] = _admins(session)
    known = readers(session, customers) if customers else {}
    for customer_id in customers:
        customer = known.get(customer_id)
        may_get = customer is None or customer.may_get(customer_id)
        # The news about an unknown one are in another queue and may come later: sending finds out.
        address = customer.email if customer else None
        told[customer_id] = [{"user_id": customer_id, "recipient": address}] if may_get else []
    return told


def _admins(session: Session) -> list[dict[str, Any]]:
    query = select(Recipient.user_id, Recipient.email.label("recipient")).where(
        Recipient.role == ADMIN, Recipient.is_deleted.is_(False), Recipient.email.is_not(None)
    )
    return [dict(row) for row in session.execute(query).mappings()]


def _about(notice_id: UUID, parts: Sequence[Part], story: Story) -> dict[str, Any]:
    envelope, _ = first_part(parts)
    return {
        "notice_id": notice_id,
        "event_id": envelope.id,
        "event_type": envelope.type,
        "subject": story.headline,
        "status": Status.PENDING,
        "attempts": 0,
    }


def _mailboxes(session: Session, user_ids: Collection[int]) -> dict[int, datetime | None]:
    query = select(Mailbox.user_id, Mailbox.held_until).where(Mailbox.user_id.in_(user_ids))
    held = {row.user_id: row.held_until for row in session.execute(query)}
    missing = sorted(set(user_ids) - held.keys())
    _insert(session, MAILBOXES, [{"user_id": user_id} for user_id in missing])
    return held | dict.fromkeys(missing)


def _insert(session: Session, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(rows), INSERTED_AT_ONCE):
        insert_rows(session, table, rows[start : start + INSERTED_AT_ONCE])


def settle_mail(
    session: Session,
    *,
    mail_id: UUID,
    address: str | None,
    sent: Collection[UUID],
    unwanted: Collection[UUID],
) -> None:
    """Write down that a mail was taken by the backend, and what was left out of it.

    Deliveries that are no longer in a worker's hands stay as they are: somebody else finished them.
    """
    connection, mail = session.connection(), mail_id.bytes
    if sent:
        _sent().run(connection, mail=mail, ids=[one.bytes for one in sent], address=address)
    if unwanted:
        _unwanted().run(connection, mail=mail, ids=[one.bytes for one in unwanted])


def _ours() -> Update:
    return (
        update(DELIVERIES)
        .where(DELIVERIES.c.mail_id == bindparam("mail"), DELIVERIES.c.status == Status.SENDING)
        .where(DELIVERIES.c.id.op("IN")(bindparam("ids")))
        .values(due_at=None)
    )


@cache
def _sent() -> Statement:
    told = {"sent_at": database_clock(), "recipient": bindparam("address")}
    return Statement(_ours().values(status=Status.SENT, **told))


@cache
def _unwanted() -> Statement:
    return Statement(_ours().values(status=Status.CANCELLED))


def postpone_mail(session: Session, *, mail_id: UUID, attempt: int, now: datetime) -> bool:
    """Try a mail again later, or give it up after ``MOST_ATTEMPTS``.

    Args:
        attempt: The one that failed; if another worker has begun the next one, nothing changes.

    Returns:
        Whether it will be tried again.
    """
    goes_on = attempt < MOST_ATTEMPTS
    values: dict[str, Any] = {"status": Status.FAILED, "due_at": None}
    if goes_on:
        values = {"status": Status.PENDING, "due_at": now + delay_after(attempt)}
    session.execute(
        update(Delivery)
        .where(
            Delivery.mail_id == mail_id,
            Delivery.status == Status.SENDING,
            Delivery.attempts == attempt,
        )
        .values(**values)
    )
    return goes_on


def delay_after(attempt: int) -> timedelta:
    """How long to wait after this attempt.

    5 seconds, three times as long each time, at most an hour; and up to half of it less, so that
    mails that failed together do not come back together. Ten attempts take two to four hours.
    """
    longest = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * DELAY_GROWTH ** (attempt - 1))
    return timedelta(seconds=longest * random.uniform(0.5, 1))  # noqa: S311 - jitter


def return_mails(session: Session, *, mail_ids: Collection[UUID], now: datetime) -> None:
    """Put mails back that a worker took and did not try: no attempt is counted."""
    if mail_ids:
        session.execute(
            update(Delivery)
            .where(Delivery.mail_id.in_(mail_ids), Delivery.status == Status.SENDING)
            .values(
                status=Status.PENDING,
                due_at=now,
                claimed_at=None,
                attempts=case((Delivery.attempts > 0, Delivery.attempts - 1), else_=0),
            )
        )


def resend(session: Session, *, delivery_id: UUID, now: datetime) -> Delivery:
    """Send a delivery once more, also one that was sent; one that still waits goes on waiting.

    Raises:
        NotificationNotFound: There is no such delivery.
    """
    found = session.get(Delivery, delivery_id, with_for_update=True)
    if found is None:
        raise NotificationNotFound
    found.send_again(now)
    return found


def forget_finished(session: Session, *, before: datetime) -> int:
    """Delete finished deliveries made before then, and notices that none of them needs any more.

    Returns:
        How many rows were deleted; a bounded number, so call again until it is 0.
    """
    finished = (
        select(Delivery.id)
        .where(Delivery.created_at < before, Delivery.due_at.is_(None))
        .order_by(Delivery.created_at)
        .limit(FORGOTTEN_AT_ONCE)
    )
    old = session.scalars(finished).all()
    if old:
        session.execute(delete(Delivery).where(Delivery.id.in_(sorted(old))))
    needed = select(Delivery.id).where(Delivery.notice_id == Notice.id).exists()
    idle = (
        select(Notice.id)
        .where(Notice.fanned_out_at < before, ~needed)
        .order_by(Notice.fanned_out_at)
        .limit(FORGOTTEN_AT_ONCE)
    )
    notices = session.scalars(idle).all()
    if notices:
        session.execute(delete(NoticePart).where(NoticePart.notice_id.in_(sorted(notices))))
        session.execute(delete(Notice).where(Notice.id.in_(sorted(notices))))
    return len(old) + len(notices)
