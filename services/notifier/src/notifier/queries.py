# SPDX-License-Identifier: Apache-2.0
"""Reads: never write, never lock."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID

import orjson
from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.orm import Session

from common.contracts import StockChanged
from common.db import database_clock
from common.glances import Glance
from common.statements import Statement
from common.subscriber import read_message
from notifier.models import Delivery, Notice, NoticePart, Product, Reader, Recipient, Status
from notifier.stories import Called, Names, Part

MOST_DELIVERIES = 1000
READER = (Recipient.user_id, Recipient.email, Recipient.role, Recipient.is_deleted)

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


def letter(glance: Glance, *, mail_id: UUID) -> Letter:
    """Everything that one mail needs, with the recipient's rights and address as of now.

    Nearly every mail is one receipt, and one statement.

    Raises:
        RecipientUnknown: Nobody told us yet who that is.
    """
    address: str | None = None
    known: dict[str, str] = {}
    wanted: dict[str, str] = {}
    unwanted: set[str] = set()
    parts: dict[str, list[Part]] = defaultdict(list)
    for facts, body in _of_a_mail().rows(glance, mail=mail_id.bytes):
        delivery, notice, customer_id, username, *reader = orjson.loads(facts)
        if username is None:
            raise RecipientUnknown
        recipient = Reader(*reader)
        known[f"user/{recipient.user_id}"] = username
        if recipient.may_get(customer_id):
            address = recipient.email
            wanted[delivery] = notice
            parts[notice].append(read_message(body))
        else:
            unwanted.add(delivery)
    notices = sorted(parts.values(), key=_happened_at)
    actors = {envelope.actor for parts in notices for envelope, _ in parts}
    return Letter(
        mail_id=mail_id,
        address=address,
        notices=notices,
        delivery_ids=[UUID(one) for one in wanted],
        unwanted_ids=[UUID(one) for one in unwanted],
        usernames=known | _usernames(glance, actors - known.keys()),
        names=product_names(glance, notices),
    )


@cache
def _of_a_mail() -> Statement:
    # The driver describes each column of each answer anew, so there are two.
    facts = func.json_array(
        func.hex(Delivery.id),
        func.hex(Delivery.notice_id),
        Notice.customer_id,
        Recipient.username,
        *READER,
    )
    return Statement(
        select(facts, NoticePart.body)
        .select_from(Delivery)
        .join(Notice, Notice.id == Delivery.notice_id)
        .join(NoticePart, NoticePart.notice_id == Notice.id)
        .outerjoin(Recipient, Recipient.user_id == Delivery.user_id)
        .where(Delivery.mail_id == bindparam("mail"), Delivery.status == Status.SENDING)
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


def product_names(connection: Connection | Glance, notices: Iterable[Sequence[Part]]) -> Names:
    """What the products are called whose events in *notices* do not say it."""
    events = (event for parts in notices for _, event in parts)
    ids = {event.product_id for event in events if isinstance(event, StockChanged)}
    if not ids:
        return {}
    found = _products().rows(connection, ids=ids)
    return {product_id: Called(sku=sku, name=name) for product_id, sku, name in found}


@cache
def _products() -> Statement:
    query = select(Product.id, Product.sku, Product.name)
    return Statement(query.where(Product.id.op("IN")(bindparam("ids"))))


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


def _usernames(glance: Glance, actors: Collection[str]) -> dict[str, str]:
    numbers = [actor.removeprefix("user/") for actor in actors if actor.startswith("user/")]
    ids = [int(number) for number in numbers if number.isdecimal() and len(number) < len("9" * 19)]
    if not ids:
        return {}
    found = _users().rows(glance, ids=ids)
    return {f"user/{user_id}": username for user_id, username in found}


@cache
def _users() -> Statement:
    query = select(Recipient.user_id, Recipient.username)
    return Statement(query.where(Recipient.user_id.op("IN")(bindparam("ids"))))


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
