# SPDX-License-Identifier: Apache-2.0
"""Reads: never write, never lock."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.orm import Session

from common.contracts import StockChanged
from common.db import database_clock
from common.subscriber import read_message
from notifier.models import Delivery, Notice, NoticePart, Product, Reader, Recipient, Status
from notifier.stories import Called, Names, Part

MOST_DELIVERIES = 1000
READER = (Recipient.user_id, Recipient.email, Recipient.role, Recipient.is_deleted)
OF_A_MAIL = (
    select(*READER, Recipient.username)
    .add_columns(Delivery.id, Delivery.notice_id, Notice.customer_id, NoticePart.body)
    .select_from(Delivery)
    .join(Notice, Notice.id == Delivery.notice_id)
    .join(NoticePart, NoticePart.notice_id == Notice.id)
    .outerjoin(Recipient, Recipient.user_id == Delivery.user_id)
    .where(Delivery.mail_id == bindparam("mail"), Delivery.status == Status.SENDING)
)
"""Asked for each mail, and made once."""

HAS_OPEN_NOTICES = "SELECT EXISTS (SELECT 1 FROM notices WHERE fanned_out_at IS NULL)"
HAS_DUE_DELIVERIES = "SELECT EXISTS (SELECT 1 FROM deliveries WHERE due_at <= UTC_TIMESTAMP(6))"


class RecipientUnknown(Exception):
    """Auth has not told us about this customer yet; the news may be late."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """What goes into one mail, as of now.

    Attributes:
        address: Where the recipient reads mail now; None if nobody may get this any more.
        notices: Each with its events, in the order in which they happened.
        delivery_ids: What the mail delivers.
        unwanted_ids: Deliveries that the recipient may not get any more.
        usernames: Of the users who did something in it.
        names: Of the products whose events do not name them.
    """

    mail_id: UUID
    address: str | None
    notices: list[list[Part]]
    delivery_ids: list[UUID]
    unwanted_ids: list[UUID]
    usernames: dict[str, str]
    names: Names


def current_time(session: Session) -> datetime:
    """What time the database has: what is due is decided by one clock for all workers."""
    return session.execute(select(database_clock())).scalar_one()


def letter(connection: Connection, *, mail_id: UUID) -> Letter:
    """Everything that one mail needs, with the recipient's rights and address as of now.

    Nearly every mail is one receipt, and one statement.

    Raises:
        RecipientUnknown: Nobody told us yet who that is.
    """
    rows = connection.execute(OF_A_MAIL, {"mail": mail_id}).all()
    wanted: dict[UUID, UUID] = {}
    parts: dict[UUID, list[Part]] = defaultdict(list)
    for *reader, _, delivery_id, notice_id, customer_id, body in rows:
        if reader[0] is None:
            raise RecipientUnknown
        if Reader(*reader).may_get(customer_id):
            wanted[delivery_id] = notice_id
            parts[notice_id].append(read_message(bytes(body)))
    notices = sorted(parts.values(), key=_happened_at)
    actors = {envelope.actor for parts in notices for envelope, _ in parts}
    known = {f"user/{row.user_id}": row.username for row in rows[:1]}
    return Letter(
        mail_id=mail_id,
        address=rows[0].email if wanted else None,
        notices=notices,
        delivery_ids=list(wanted),
        unwanted_ids=list({row.id for row in rows} - wanted.keys()),
        usernames=known | _usernames(connection, actors - known.keys()),
        names=product_names(connection, notices),
    )


def readers(session: Session, user_ids: Collection[int]) -> dict[int, Reader]:
    """Those of these users whom auth has told us about."""
    found = session.execute(select(*READER).where(Recipient.user_id.in_(user_ids)))
    return {row.user_id: Reader(*row) for row in found}


def parts_of(session: Session, notice_ids: Collection[UUID]) -> dict[UUID, list[Part]]:
    """The events of each of these notices."""
    parts: dict[UUID, list[Part]] = defaultdict(list)
    query = select(NoticePart.notice_id, NoticePart.body)
    for row in session.execute(query.where(NoticePart.notice_id.in_(notice_ids))):
        parts[row.notice_id].append(read_message(bytes(row.body)))
    return parts


def product_names(session: Session | Connection, notices: Iterable[Sequence[Part]]) -> Names:
    """What the products are called whose events in *notices* do not say it."""
    events = (event for parts in notices for _, event in parts)
    ids = {event.product_id for event in events if isinstance(event, StockChanged)}
    if not ids:
        return {}
    query = select(Product.id, Product.sku, Product.name).where(Product.id.in_(ids))
    return {row.id: Called(sku=row.sku, name=row.name) for row in session.execute(query)}


def has_part(session: Session, notice_id: UUID, event_type: str) -> bool:
    """Whether the notice has an event of this type already."""
    query = select(NoticePart.event_id).where(
        NoticePart.notice_id == notice_id, NoticePart.event_type == event_type
    )
    return session.scalar(query) is not None


def known_parts(session: Session, event_ids: Collection[UUID]) -> set[UUID]:
    """Which of these events are in a notice already."""
    query = select(NoticePart.event_id).where(NoticePart.event_id.in_(event_ids))
    return set(session.scalars(query))


def _happened_at(parts: list[Part]) -> tuple[datetime, int]:
    return min((envelope.time, envelope.aggregateversion) for envelope, _ in parts)


def _usernames(connection: Connection, actors: Collection[str]) -> dict[str, str]:
    numbers = [actor.removeprefix("user/") for actor in actors if actor.startswith("user/")]
    ids = [int(number) for number in numbers if number.isdecimal() and len(number) < len("9" * 19)]
    if not ids:
        return {}
    query = select(Recipient.user_id, Recipient.username).where(Recipient.user_id.in_(ids))
    return {f"user/{row.user_id}": row.username for row in connection.execute(query)}


def list_deliveries(
    session: Session, *, status: str | None, before: UUID | None, limit: int
) -> Sequence[Delivery]:
    """Deliveries, newest first, behind *before*."""
    query = select(Delivery).order_by(Delivery.id.desc()).limit(limit)
    if status is not None:
        query = query.where(Delivery.status == status)
    if before is not None:
        query = query.where(Delivery.id < before)
    return session.scalars(query).all()


def deliveries_of_events(
    session: Session, *, event_ids: Collection[UUID]
) -> list[tuple[UUID, Delivery]]:
    """The deliveries that tell of these events, each beside its event; the oldest first."""
    query = (
        select(NoticePart.event_id, Delivery)
        .join(Delivery, Delivery.notice_id == NoticePart.notice_id)
        .where(NoticePart.event_id.in_(event_ids))
        .order_by(Delivery.id, NoticePart.event_id)
        .limit(MOST_DELIVERIES)
    )
    return [(row.event_id, row.Delivery) for row in session.execute(query)]


def backlog(session: Session) -> tuple[int, float]:
    """How many deliveries are overdue, and for how many seconds the oldest of them has been."""
    now = current_time(session)
    count, oldest = session.execute(
        select(func.count(), func.min(Delivery.due_at)).where(Delivery.due_at <= now)
    ).one()
    return count, (now - oldest).total_seconds() if oldest else 0.0
