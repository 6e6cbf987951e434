# SPDX-License-Identifier: Apache-2.0
"""Auth's tables, and the rules that one row must always keep."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import BINARY, VARBINARY, BigInteger, CheckConstraint, ForeignKey, Index
from sqlalchemy.dialects.mysql import VARCHAR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from auth.names import (
    LONGEST_EMAIL,
    LONGEST_FULLNAME,
    LONGEST_USERNAME,
    LONGEST_USERNAME_KEY,
    name_key,
)
from common.clock import utcnow
from common.db import Identifier, Moment, exact, folded, new_metadata
from common.identifiers import uuid7
from common.outbox import declare_outbox
from common.replica import declare_heartbeats

Role = Literal["admin", "user", "analyst"]
ADMIN: Role = "admin"
USER: Role = "user"


def text(length: int) -> VARCHAR:
    """Text for people, never compared."""
    return VARCHAR(length, charset="utf8mb4")


class Base(DeclarativeBase):
    metadata = new_metadata()


class User(Base):
    """Somebody with an account, or what is left of one: the id, for others' references.

    Attributes:
        username_key: The name as it is compared; a deleted user has none, so the name is free.
        token_epoch: Access tokens of another epoch are dead.
        version: Counts the changes that were told to the world.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role IN ('admin', 'user', 'analyst')", name="role"),
        CheckConstraint("(deleted_at IS NULL) = (username_key IS NOT NULL)", name="name"),
        CheckConstraint("(email IS NULL) = (email_key IS NULL)", name="email"),
        CheckConstraint(
            "deleted_at IS NULL"
            " OR (role = 'user' AND email IS NULL AND fullname IS NULL AND password_hash IS NULL)",
            name="anonymous",
        ),
        Index("ix_users_role", "role"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    username: Mapped[str] = mapped_column(text(LONGEST_USERNAME))
    username_key: Mapped[str | None] = mapped_column(folded(LONGEST_USERNAME_KEY), unique=True)
    email: Mapped[str | None] = mapped_column(text(LONGEST_EMAIL))
    email_key: Mapped[str | None] = mapped_column(folded(LONGEST_EMAIL), unique=True)
    fullname: Mapped[str | None] = mapped_column(text(LONGEST_FULLNAME))
    role: Mapped[str] = mapped_column(exact(16), default=USER)
    guest: Mapped[bool] = mapped_column(default=False)
    password_hash: Mapped[str | None] = mapped_column(exact(255))
    token_epoch: Mapped[int] = mapped_column(BigInteger, default=1)
    version: Mapped[int] = mapped_column(BigInteger, default=1)
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    deleted_at: Mapped[datetime | None] = mapped_column(Moment)

    @property
    def is_admin(self) -> bool:
        return self.role == ADMIN

    def set_email(self, email: str | None) -> None:
        self.email, self.email_key = email, email and name_key(email)

    def kill_tokens(self) -> None:
        """Make every access token that was issued until now worthless."""
        self.token_epoch += 1

    def changed(self) -> None:
        """Count a change that the world is told of."""
        self.version += 1
        self.updated_at = utcnow()

    def anonymise(self) -> None:
        """Forget everything but the id. The name and the address are free again."""
        self.username, self.username_key = f"deleted-{self.id}", None
        self.set_email(None)
        self.fullname = self.password_hash = None
        self.role = USER
        self.deleted_at = utcnow()


class RefreshFamily(Base):
    """One log-in and all the refresh tokens that came of it; its row is their lock.

    Attributes:
        expires_at: When its newest token does.
        revoked_at: Set by a log-out, or when somebody used a token twice.
    """

    __tablename__ = "refresh_families"

    id: Mapped[UUID] = mapped_column(Identifier, primary_key=True, default=uuid7)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), index=True)
    began_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)


class RefreshToken(Base):
    """A refresh token, known by its SHA-256 only. It is kept after its use, to know it again."""

    __tablename__ = "refresh_tokens"

    digest: Mapped[bytes] = mapped_column(BINARY(32), primary_key=True)
    family_id: Mapped[UUID] = mapped_column(
        Identifier, ForeignKey("refresh_families.id", ondelete="CASCADE"), index=True
    )
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    used_at: Mapped[datetime | None] = mapped_column(Moment)


class SigningKey(Base):
    """A key for access tokens, from the first rotation on; before it there is no row.

    Attributes:
        number: Counts the keys; of two rotations at once only one can have the next.
        kid: Its name in the key set and in the tokens.
        private_key: Encrypted; None for the environment's key, and when it signs no more.
        published_at: Since when it is in the key set.
        signs_from: Later than that, so that everybody who checks tokens knows it by then.
        retires_at: When the last token that it signed is over. None while no other is to follow.
    """

    __tablename__ = "signing_keys"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kid: Mapped[str] = mapped_column(exact(64), unique=True)
    public_key: Mapped[str] = mapped_column(exact(255))
    private_key: Mapped[bytes | None] = mapped_column(VARBINARY(255))
    published_at: Mapped[datetime] = mapped_column(Moment)
    signs_from: Mapped[datetime] = mapped_column(Moment)
    retires_at: Mapped[datetime | None] = mapped_column(Moment)

    def is_retired(self, now: datetime) -> bool:
        return self.retires_at is not None and self.retires_at <= now


declare_outbox(Base.metadata)
declare_heartbeats(Base.metadata)
