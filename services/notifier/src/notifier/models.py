# SPDX-License-Identifier: Apache-2.0
"""Notifier's tables, and the rules that one row must always keep."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer
from sqlalchemy.dialects.mysql import MEDIUMBLOB, VARCHAR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from common.db import Identifier, Moment, database_clock, exact, folded, new_metadata
from common.identifiers import uuid7
from common.inbox import declare_inbox
from common.replica import declare_heartbeats

LONGEST_SUBJECT = 255
LONGEST_ADDRESS = 320
ADMIN = "admin"


class Base(DeclarativeBase):
    metadata = new_metadata()
    # MariaDB would answer an INSERT with RETURNING for the database's clock; MySQL can't.
    __mapper_args__ = {"eager_defaults": False}  # noqa: RUF012 - SQLAlchemy's protocol


declare_inbox(Base.metadata)
declare_heartbeats(Base.metadata)


class Status(StrEnum):
    """What became of a delivery.

    ``pending`` waits, ``sending`` is in a worker's hands, ``sent`` was taken by the backend,
    ``failed`` was tried too often, ``cancelled`` had nobody left to go to.
    """

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (Status.PENDING, Status.SENDING)


class Recipient(Base):
    """A user as auth last told us.

    Attributes:
        version: Of the user, as of the news that this row holds; older news are dropped.
    """

    __tablename__ = "recipients"
    __table_args__ = (Index(None, "role", "is_deleted"),)

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    username: Mapped[str] = mapped_column(VARCHAR(255, charset="utf8mb4"))
    email: Mapped[str | None] = mapped_column(folded(LONGEST_ADDRESS))
    fullname: Mapped[str | None] = mapped_column(VARCHAR(255, charset="utf8mb4"))
    role: Mapped[str] = mapped_column(exact(16))
    is_deleted: Mapped[bool]
    version: Mapped[int] = mapped_column(BigInteger)


class Reader(NamedTuple):
    """What decides whether somebody may be told, as auth last told us."""

    user_id: int
    email: str | None
    role: str
    is_deleted: bool

    def may_get(self, customer_id: int | None) -> bool:
        """Whether this person may still be told: demoted admins and deleted users may not.

        Args:
            customer_id: Whose receipt it is; None for news to all admins.
        """
        if self.is_deleted or not self.email:
            return False
        return self.role == ADMIN if customer_id is None else self.user_id == customer_id


class Product(Base):
    """What a product is called, as its own events last told: news of its stock do not say it.

    Attributes:
        version: Of the product, as of the news that this row holds; older news are dropped.
    """

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    sku: Mapped[str | None] = mapped_column(exact(64))
    name: Mapped[str] = mapped_column(VARCHAR(512, charset="utf8mb4"))
    version: Mapped[int] = mapped_column(BigInteger)


class Mailbox(Base):
    """How fast one user is written to. Its row is locked while mails are chosen for that user.

    Attributes:
        held_until: In a storm: when the gathered changes go out as one digest.
    """

    __tablename__ = "mailboxes"

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    held_until: Mapped[datetime | None] = mapped_column(Moment())


class Notice(Base):
    """Something to tell: all events of one change.

    Attributes:
        id: Made from what the notice is about, so that the events of one update meet in one row.
        customer_id: Whom a receipt goes to; null for news to all admins.
        opened_at: When the first event came, by the database's clock.
        fanned_out_at: When the deliveries were made; from then on the notice is closed.
    """

    __tablename__ = "notices"
    __table_args__ = (Index(None, "fanned_out_at", "opened_at"),)

    id: Mapped[UUID] = mapped_column(Identifier, primary_key=True)
    customer_id: Mapped[int | None] = mapped_column(BigInteger)
    opened_at: Mapped[datetime] = mapped_column(Moment(), default=database_clock())
    fanned_out_at: Mapped[datetime | None] = mapped_column(Moment())


def notice_id_of_update(subject: str, correlation_id: str) -> UUID:
    """The notice of everything that one request changed in one thing, such as ``product/42``."""
    return uuid5(NAMESPACE_URL, f"souk:{subject}:{correlation_id}")


class NoticePart(Base):
    """One event of a notice, whole, as it came. A notice has at most one of each type."""

    __tablename__ = "notice_parts"
    __table_args__ = (Index("uq_notice_parts_notice_id", "notice_id", "event_type", unique=True),)

    event_id: Mapped[UUID] = mapped_column(Identifier, primary_key=True)
    notice_id: Mapped[UUID] = mapped_column(ForeignKey("notices.id", ondelete="CASCADE"))
    event_type: Mapped[str] = mapped_column(exact(64))
    body: Mapped[bytes] = mapped_column(MEDIUMBLOB)


class Delivery(Base):
    """One notice on its way to one person.

    Attributes:
        user_id: To whom; all rows of a person could live on one shard.
        recipient: The address, as of the last attempt; null while we do not know the person.
        attempts: How often a worker took it in hand since it was made or asked for again.
        due_at: When a worker should look at it: the next attempt, or, while it is ``sending``,
            the moment from which its worker counts as dead. Null when nothing is left to do.
        mail_id: The mail that it goes out in; a digest's deliveries share one.
        claimed_at: When a worker last took it in hand.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        CheckConstraint(
            "status IN ('pending', 'sending', 'sent', 'failed', 'cancelled')", name="status"
        ),
        CheckConstraint("(status IN ('pending', 'sending')) = (due_at IS NOT NULL)", name="due_at"),
        CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name="sent_at"),
        Index("uq_deliveries_notice_id_user_id", "notice_id", "user_id", unique=True),
        Index(None, "due_at", "user_id"),
        Index(None, "user_id", "due_at"),
        Index(None, "user_id", "claimed_at", "mail_id"),
        Index(None, "mail_id"),
        Index(None, "status", "id"),
        Index(None, "created_at"),
    )

    id: Mapped[UUID] = mapped_column(Identifier, primary_key=True, default=uuid7)
    user_id: Mapped[int] = mapped_column(BigInteger)
    notice_id: Mapped[UUID] = mapped_column(ForeignKey("notices.id"))
    event_id: Mapped[UUID] = mapped_column(Identifier)
    event_type: Mapped[str] = mapped_column(exact(64))
    recipient: Mapped[str | None] = mapped_column(folded(LONGEST_ADDRESS))
    subject: Mapped[str] = mapped_column(VARCHAR(LONGEST_SUBJECT, charset="utf8mb4"))
    status: Mapped[str] = mapped_column(exact(16), default=Status.PENDING)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[datetime | None] = mapped_column(Moment())
    mail_id: Mapped[UUID | None] = mapped_column(Identifier)
    claimed_at: Mapped[datetime | None] = mapped_column(Moment())
    created_at: Mapped[datetime] = mapped_column(Moment())
    sent_at: Mapped[datetime | None] = mapped_column(Moment())

    def send_again(self, now: datetime) -> None:
        """Wait for a worker once more, as a mail of its own; what still waits goes on waiting."""
        if self.status in OPEN:
            return
        self.status, self.attempts, self.due_at = Status.PENDING, 0, now
        # A new mail: with the old id it would be the same message, which mail programs hide.
        self.mail_id = self.sent_at = None
