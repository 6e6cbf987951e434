# SPDX-License-Identifier: Apache-2.0
"""Refresh tokens: each is used once, and its use gives the next of its family."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from auth.errors import BadCredentials, RefreshInvalid, RefreshReused
from auth.models import RefreshFamily, RefreshToken, User
from auth.queries import clock
from common.db import database_clock

TOKEN_BYTES = 32


def begin_family(session: Session, *, user: User, seconds: int) -> str:
    """The first refresh token of a new log-in.

    Args:
        user: A user whose row this transaction has inserted or locked.
        seconds: How long the token is good.
    """
    now = clock(session)
    expires_at = now + timedelta(seconds=seconds)
    family = RefreshFamily(user_id=user.id, began_at=now, expires_at=expires_at)
    session.add(family)
    session.flush()
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.add(RefreshToken(digest=digest(token), family_id=family.id, expires_at=expires_at))
    return token


def log_in(
    session: Session, *, user_id: int, known_hash: str | None, seconds: int
) -> tuple[User, str]:
    """Begin a log-in for a user whose password was found right.

    Args:
        known_hash: What the password was compared with.

    Raises:
        BadCredentials: The password was changed since, or the user is gone. Without this, a log-in
            under way would outlive the change that shall end them all.
    """
    query = select(User).where(User.id == user_id).with_for_update()
    user = session.scalar(query)
    if user is None or user.deleted_at is not None or user.password_hash != known_hash:
        raise BadCredentials
    return user, begin_family(session, user=user, seconds=seconds)


def rotate(
    session: Session, *, token: str, successor: Callable[[str], str], seconds: int, grace: int
) -> tuple[User, str]:
    """Use a refresh token; returns its user and its successor.

    Args:
        successor: Derives the next token from this one. Always the same, so that a client that
            asks twice at once gets the same answer twice, and no clear token is stored for that.
        grace: Seconds for which a used token still gives its successor.

    Raises:
        RefreshInvalid: Unknown or expired, or its family was revoked.
        RefreshReused: It was used before, and longer ago than *grace*.

    Effects:
        Locks the family's row.
    """
    family = _lock_family_of(session, token)
    # Read behind the lock, so that we see what the one wrote that had it before us.
    now = clock(session)
    used = session.get(RefreshToken, digest(token))
    if used is None or used.expires_at <= now:
        raise RefreshInvalid
    if used.used_at is not None and now - used.used_at > timedelta(seconds=grace):
        raise RefreshReused(user_id=family.user_id, family_id=family.id)
    if family.revoked_at is not None:
        raise RefreshInvalid
    used.used_at = used.used_at or now
    following = successor(token)
    if session.get(RefreshToken, digest(following)) is None:
        family.expires_at = now + timedelta(seconds=seconds)
        session.add(
            RefreshToken(
                digest=digest(following), family_id=family.id, expires_at=family.expires_at
            )
        )
    return session.get_one(User, family.user_id), following


def log_out(session: Session, *, token: str) -> None:
    """End the log-in that *token* belongs to.

    Raises:
        RefreshInvalid: Unknown or expired, or the log-in has ended already.
    """
    family = _lock_family_of(session, token)
    now = clock(session)
    if family.revoked_at is not None or family.expires_at <= now:
        raise RefreshInvalid
    family.revoked_at = now


def punish_reuse(session: Session, *, user_id: int, family_id: UUID) -> User:
    """End a log-in of which two parties hold a token, and kill the user's access tokens.

    The first time only: whoever keeps an old token shall not log its owner out for ever.
    """
    user = session.scalars(select(User).where(User.id == user_id).with_for_update()).one()
    family = lock_family(session, family_id)
    if family is not None and family.revoked_at is None:
        family.revoked_at = clock(session)
        user.kill_tokens()
    return user


def revoke_families(session: Session, *, user_id: int) -> None:
    """End all log-ins of a user; the caller holds the user's row."""
    session.execute(
        update(RefreshFamily)
        .where(RefreshFamily.user_id == user_id, RefreshFamily.revoked_at.is_(None))
        .values(revoked_at=database_clock())
    )


def forget_expired_tokens(session: Session, *, limit: int) -> int:
    """Delete expired refresh tokens, at most *limit*; returns how many there were."""
    expired = (
        select(RefreshToken.digest)
        .where(RefreshToken.expires_at < database_clock())
        .order_by(RefreshToken.expires_at)
        .limit(limit)
    )
    digests = session.scalars(expired).all()
    session.execute(delete(RefreshToken).where(RefreshToken.digest.in_(sorted(digests))))
    return len(digests)


def forget_expired_families(session: Session, *, limit: int) -> int:
    """Delete log-ins whose last token has expired, at most *limit*; returns how many."""
    expired = (
        select(RefreshFamily.id)
        .where(RefreshFamily.expires_at < database_clock())
        .order_by(RefreshFamily.expires_at)
        .limit(limit)
    )
    ids = session.scalars(expired).all()
    session.execute(delete(RefreshFamily).where(RefreshFamily.id.in_(sorted(ids))))
    return len(ids)


def digest(token: str) -> bytes:
    """What is stored of a token. It is random, so a fast function does."""
    return sha256(token.encode()).digest()


def lock_family(session: Session, family_id: UUID) -> RefreshFamily | None:
    """Lock a log-in's row, so that its tokens are used one after the other."""
    query = select(RefreshFamily).where(RefreshFamily.id == family_id).with_for_update()
    return session.scalar(query)


def _lock_family_of(session: Session, token: str) -> RefreshFamily:
    query = select(RefreshToken.family_id).where(RefreshToken.digest == digest(token))
    family_id = session.scalar(query)
    if family_id is None:
        raise RefreshInvalid
    family = lock_family(session, family_id)
    if family is None:
        raise RefreshInvalid
    return family
