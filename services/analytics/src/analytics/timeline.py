# SPDX-License-Identifier: Apache-2.0
"""The story of one order, from its request to the mails: what was told, and what that caused."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush
from typing import Any, Self
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from analytics.config import Config
from analytics.models import LoggedEvent
from common.contracts import (
    Event,
    OrderCancelled,
    OrderLine,
    OrderPlaced,
    OrderRejected,
    ReservationOverdue,
    StockChanged,
    StockLow,
)
from common.http import Client
from common.logs import get_logger
from common.money import to_text
from common.problems import Unavailable
from common.subscriber import Poison, read_message
from common.tokens import ServiceTokens

log = get_logger(__name__)

MAIL = "Mail"
MOST_EVENTS = 500
MOST_ASKED = 100
CLOCKS = "clock/"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing that happened.

    Attributes:
        id: Of the event; of a mail the id of its notification.
        event: What the log says, None for a mail and for a row that nobody can read any more.
    """

    id: UUID
    at: datetime
    type: str
    source: str
    subject: str
    actor: str
    correlation_id: str
    causation_id: str | None
    summary: str
    event: Event | None = None


@dataclass(frozen=True, kw_only=True)
class Story:
    """All that the log knows of one order, causes before effects.

    Attributes:
        customer_id: None where no event names the customer: of a rejected order none does.
    """

    subject: str
    items: list[Item]

    @property
    def customer_id(self) -> int | None:
        customers = (
            item.event.customer_id
            for item in self.items
            if isinstance(item.event, OrderPlaced | OrderCancelled)
        )
        return next(customers, None)

    def for_customer(self) -> "Story":
        """The part that is the customer's business: not how much is left, nor whom that worries."""
        items = [
            item
            for item in self.items
            if item.subject == self.subject or isinstance(item.event, StockChanged)
        ]
        return Story(subject=self.subject, items=items)

    def with_mails(self, mails: Iterable[Item]) -> "Story":
        return Story(subject=self.subject, items=in_causal_order([*self.items, *mails]))


def story_of(session: Session, *, order_id: UUID) -> Story:
    """What was told of the order, all that it caused, and what else came of the same requests.

    Stock that runs low while it is reserved has no event for its cause, only the request. A clock's
    round settles many orders under one id, so that its id tells nothing about one of them.
    """
    subject = f"order/{order_id}"
    found = {item.id: item for item in _items(session, LoggedEvent.subject == subject)}
    requests = {item.correlation_id for item in found.values() if not item.actor.startswith(CLOCKS)}
    beside = _items(
        session,
        LoggedEvent.correlation_id.in_(requests),
        LoggedEvent.causation_id.is_(None),
        LoggedEvent.subject.not_like("order/%"),
    )
    new = found | {item.id: item for item in beside}
    while new and len(found) < MOST_EVENTS:
        found |= new
        caused = _items(session, LoggedEvent.causation_id.in_([str(one) for one in new]))
        new = {item.id: item for item in caused if item.id not in found}
    return Story(subject=subject, items=in_causal_order(found.values()))


def _items(session: Session, *conditions: ColumnElement[bool]) -> Iterator[Item]:
    query = select(LoggedEvent).where(*conditions).order_by(LoggedEvent.seq).limit(MOST_EVENTS)
    return map(_item, session.scalars(query))


def _item(row: LoggedEvent) -> Item:
    event = _read(bytes(row.body))
    return Item(
        id=row.event_id,
        at=row.time,
        type=row.type,
        source=row.source,
        subject=row.subject,
        actor=row.actor,
        correlation_id=row.correlation_id,
        causation_id=row.causation_id,
        summary=summary(event) if event else row.type,
        event=event,
    )


def _read(body: bytes) -> Event | None:
    try:
        return read_message(body)[1]
    except Poison:
        return None


def in_causal_order(items: Collection[Item]) -> list[Item]:
    """Each behind its cause; of those that might come next, always the earliest.

    Services' clocks differ: an effect's time may be earlier than its cause's.
    """
    effects: dict[str | None, list[Item]] = {}
    known = {str(item.id) for item in items}
    for item in items:
        cause = item.causation_id if item.causation_id in known else None
        effects.setdefault(cause, []).append(item)
    heap: list[tuple[datetime, UUID, Item]] = []
    ordered: list[Item] = []
    ready = effects.pop(None, [])
    while ready or heap:
        for item in ready:
            heappush(heap, (item.at, item.id, item))
        _, _, earliest = heappop(heap)
        ordered.append(earliest)
        ready = effects.pop(str(earliest.id), [])
    return ordered


def summary(event: Event) -> str:
    """One line for people."""
    match event:
        case OrderPlaced():
            said = f"Placed: {_lines(event.items)}; {to_text(event.total)} {event.currency}"
        case OrderCancelled():
            said = f"Cancelled: {_lines(event.items)}; {to_text(event.total)} {event.currency}"
        case OrderRejected():
            said = f"Rejected: {event.reason}"
        case ReservationOverdue():
            said = "Stock is held for it, and nobody has said what became of it"
        case StockChanged():
            said = f"Stock of product {event.product_id} {event.delta:+d}: {event.reason}"
        case StockLow():
            said = f"Stock of {event.name} is low: {event.available} left"
        case _:
            said = f"{event.type()} of {event.subject()}"
    return said


def _lines(lines: Sequence[OrderLine]) -> str:
    return ", ".join(f"{line.quantity} × {line.name or line.product_id}" for line in lines)


class Mails:
    """What notifier made of events."""

    def __init__(self, notifier: Client) -> None:
        self._notifier = notifier

    @classmethod
    def connect(cls, config: Config) -> Self:
        tokens = ServiceTokens(config.service_token_key.get_secret_value(), "analytics")
        return cls(Client(config.notifier_url, tokens, read_seconds=1.0))

    def of(self, items: Iterable[Item]) -> list[Item]:
        """The mails that tell of these, each caused by the first event that it tells of.

        Raises:
            Unavailable: Notifier does not say.
        """
        causes = {str(item.id): item for item in items}
        mails: dict[str, Item] = {}
        ids = list(causes)
        for start in range(0, len(ids), MOST_ASKED):
            for said in self._ask(ids[start : start + MOST_ASKED]):
                mails.setdefault(said["id"], _mail(said, causes[said["event_id"]]))
        return list(mails.values())

    def _ask(self, event_ids: Sequence[str]) -> list[dict[str, Any]]:
        answer = self._notifier.get(f"/internal/notifications?event_ids={','.join(event_ids)}")
        if answer.status != 200:  # noqa: PLR2004 - HTTP's yes
            log.error("notifier_refused", status=answer.status)
            raise Unavailable
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


def _mail(said: dict[str, Any], cause: Item) -> Item:
    return Item(
        id=UUID(said["id"]),
        at=datetime.fromisoformat(said["sent_at"] or said["created_at"]),
        type=MAIL,
        source="/souk/notifier",
        subject=f"user/{said['user_id']}",
        actor="service/notifier",
        correlation_id=cause.correlation_id,
        causation_id=str(cause.id),
        summary=f"{said['subject']} ({said['status']})",
    )
