# SPDX-License-Identifier: Apache-2.0
"""Notifier on a real database: events in by hand, mails out into a list or a folder."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from common.contracts import (
    Change,
    Event,
    OrderLine,
    OrderPlaced,
    ProductChanged,
    ProductCreated,
    ProductPriceChanged,
    StockChanged,
    UserChanged,
    UserDeleted,
    UserRegistered,
)
from common.db import Database
from common.events import Envelope
from common.identifiers import uuid7
from notifier import queries
from notifier.commands.deliveries import fan_out
from notifier.config import Config
from notifier.handlers import BATCH_HANDLERS, HANDLERS
from notifier.models import Delivery, Mailbox, Notice, Recipient
from notifier.sender import Sender

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def seal(event: Event, **envelope: Any) -> Envelope:
    """An event on its way, as its publisher would have sealed it."""
    facts = {
        "id": uuid7(),
        "source": f"/souk/{event.publisher}",
        "type": event.type(),
        "dataschemaversion": "1",
        "time": AT,
        "subject": event.subject(),
        "aggregateversion": 1,
        "correlationid": uuid4().hex,
        "actor": "user/1",
        "data": event.model_dump(mode="json"),
    }
    return Envelope(**(facts | envelope))


def _product(product_id: int, name: str) -> dict[str, Any]:
    return {"product_id": product_id, "sku": f"SH-{product_id}", "name": name, "seller_id": 9}


class Make:
    """Makes events with what a test does not care about filled in."""

    seal = staticmethod(seal)

    @staticmethod
    def user(
        user_id: int = 1,
        username: str = "ada",
        *,
        role: str = "user",
        kind: type[Event] = UserRegistered,
        email: str | None = "",
    ) -> Event:
        address = f"{username}@example.com" if email == "" else email
        return kind(
            user_id=user_id,
            username=username,
            email=address,
            fullname=username.title(),
            role=role,
            guest=False,
        )

    @staticmethod
    def price(
        old: int = 1250, new: int = 1000, *, product_id: int = 42, name: str = "Blue shoes"
    ) -> ProductPriceChanged:
        return ProductPriceChanged(
            **_product(product_id, name), old_price=old, new_price=new, currency="USD"
        )

    @staticmethod
    def changed(
        changes: dict[str, tuple[Any, Any]] | None = None,
        *,
        product_id: int = 42,
        name: str = "Blue shoes",
        kind: type[Event] = ProductChanged,
    ) -> Event:
        pairs = changes if changes is not None else {"name": ("Red shoes", name)}
        told = {field: Change(old=old, new=new) for field, (old, new) in pairs.items()}
        return kind(**_product(product_id, name), changes=told)

    @staticmethod
    def stock(
        old: int = 5, new: int = 3, *, product_id: int = 42, reason: str = "corrected"
    ) -> StockChanged:
        return StockChanged(
            product_id=product_id, delta=new - old, reason=reason, on_hand=new, available=new
        )

    @staticmethod
    def order(
        customer_id: int = 5, *, kind: type[Event] = OrderPlaced, name: str = "Blue shoes"
    ) -> Event:
        lines = [OrderLine(product_id=42, quantity=2, unit_price=1250, sku="SH-42", name=name)]
        return kind(
            order_id="0199-order", customer_id=customer_id, items=lines, total=2500, currency="USD"
        )

    deleted_user = UserDeleted
    changed_user = UserChanged
    created_product = ProductCreated


@pytest.fixture
def make() -> Make:
    return Make()


@dataclass
class Post:
    """A backend that keeps what it is given; *trouble* is raised before, *late* after keeping."""

    sent: list[EmailMessage] = field(default_factory=list)
    ids: list[UUID] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)
    late: list[BaseException] = field(default_factory=list)

    def send(self, mail_id: UUID, message: EmailMessage) -> None:
        if self.trouble:
            raise self.trouble.pop(0)
        self.sent.append(message)
        self.ids.append(mail_id)
        if self.late:
            raise self.late.pop(0)

    @property
    def addresses(self) -> list[str]:
        return sorted(str(message["To"]) for message in self.sent)

    @property
    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for message in self.sent]


def handle(session: Session, event: Event, sealed: Envelope) -> None:
    """Do what the subscriber does with a batch of one."""
    if batch := BATCH_HANDLERS.get(type(event)):
        batch(session, [(event, sealed)])
    else:
        HANDLERS[type(event)](session, event, sealed)


@dataclass
class House:
    """The whole service but for its processes."""

    database: Database
    config: Config
    post: Post = field(default_factory=Post)

    def hear(self, event: Event, **envelope: Any) -> Envelope:
        """Let the service handle one event."""
        sealed = seal(event, **envelope)
        self.hear_again(event, sealed)
        return sealed

    def hear_again(self, event: Event, sealed: Envelope) -> None:
        self.database.run(handle, event, sealed)

    def hear_all(self, events: list[Event]) -> None:
        """Let the service handle these in one transaction, as the subscriber does."""

        def handle_all(session: Session) -> None:
            for event in events:
                handle(session, event, seal(event))

        self.database.run(handle_all)

    def admins(self, *names: str) -> None:
        """Register admins with the ids 1, 2, …"""
        for user_id, name in enumerate(names, start=1):
            self.hear(Make.user(user_id, name, role="admin"))

    def appoint(self, count: int) -> None:
        """Have so many admins in all, as if each had been registered."""
        alike = {"role": "admin", "is_deleted": False, "version": 1}
        rows = [
            alike
            | {"user_id": number, "username": f"admin-{number}", "email": f"{number}@x.example"}
            for number in range(1, count + 1)
        ]
        with self.database.engine.begin() as connection:
            connection.execute(delete(Recipient))
            connection.execute(insert(Recipient), rows)

    def now(self) -> datetime:
        return self.database.read(queries.current_time)

    def fan_out(self, *, gather_seconds: float = 0) -> int:
        return self.database.run(
            fan_out, now=self.now(), gather_seconds=gather_seconds, currency="USD"
        )

    def sender(self, **overrides: Any) -> Sender:
        return Sender(self.database, self.post, self.config.model_copy(update=overrides))

    def send(self, **overrides: Any) -> None:
        """Fan out what is there and send until nothing is due."""
        sender = self.sender(**overrides)
        while self.fan_out():
            pass
        while sender.send_due():
            pass

    def deliveries(self) -> list[Delivery]:
        query = select(Delivery).order_by(Delivery.created_at, Delivery.user_id)
        return self.database.read(lambda session: session.scalars(query).all())

    def count_deliveries(self) -> int:
        return self.database.read(lambda session: session.scalar(select(func.count(Delivery.id))))

    def statuses(self) -> list[str]:
        return [delivery.status for delivery in self.deliveries()]

    def recipient(self, user_id: int) -> Recipient | None:
        return self.database.read(lambda session: session.get(Recipient, user_id))

    def time_passes(self, **duration: float) -> None:
        """Move everything that the tables say about time into the past."""
        step = timedelta(**duration)
        for column in (
            Delivery.due_at,
            Delivery.claimed_at,
            Delivery.created_at,
            Notice.opened_at,
            Notice.fanned_out_at,
            Mailbox.held_until,
        ):
            moved = text(f"{column.key} - INTERVAL {int(step.total_seconds())} SECOND")
            with self.database.engine.begin() as connection:
                statement = update(column.class_).where(column.is_not(None))
                connection.execute(statement.values({column.key: moved}))


@pytest.fixture
def database(
    database_of: Callable[[str], Database], clean: Callable[[Database], None]
) -> Iterator[Database]:
    found = database_of("notifier")
    clean(found)
    return found


@pytest.fixture
def config(database: Database, service_settings: Callable[..., Config], tmp_path: Any) -> Config:
    return service_settings(
        Config,
        database=database,
        mail_backend="file",
        mail_dir=tmp_path / "mail",
        email_source="shop@example.org",
        mail_per_second=10_000,
    )


@pytest.fixture
def house(database: Database, config: Config) -> House:
    return House(database, config)
