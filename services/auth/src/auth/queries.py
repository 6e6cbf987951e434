# SPDX-License-Identifier: Apache-2.0
"""Reads. They never write and never lock."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from auth.errors import UserNotFound
from auth.models import SigningKey, User
from auth.names import STORE, name_key
from common.db import database_clock


def clock(session: Session) -> datetime:
    """The database's time, by which everything expires that more than one process looks at."""
    return session.execute(select(database_clock())).scalar_one()


def signing_keys(session: Session) -> tuple[datetime, Sequence[SigningKey]]:
    """The time, and the keys that rotations made, the oldest first."""
    now = clock(session)
    return now, session.scalars(select(SigningKey).order_by(SigningKey.number)).all()


def user_by_id(session: Session, user_id: int) -> User:
    """The user with this id.

    Raises:
        UserNotFound: There is none, or not any more.
    """
    user = session.scalar(select(User).where(User.id == user_id, User.deleted_at.is_(None)))
    if user is None:
        raise UserNotFound
    return user


def user_by_name(session: Session, username: str) -> User | None:
    return session.scalar(select(User).where(User.username_key == name_key(username)))


def store(session: Session) -> User:
    """The built-in seller of an open store.

    Raises:
        UserNotFound: The store was never open, or somebody had the name before it was kept back:
            an account with a password is a person's, and no stranger sells in a person's name.
    """
    user = user_by_name(session, STORE)
    if user is None or user.password_hash is not None or user.guest:
        raise UserNotFound
    return user


def user_by_login(session: Session, login: str) -> User | None:
    """Whom *login* means: an address has an ``@``, and no username has."""
    key = name_key(login)
    column = User.email_key if "@" in key else User.username_key
    return session.scalar(select(User).where(column == key))


def epoch_of_user(session: Session, user_id: int) -> int | None:
    """The epoch that the user's tokens must have; None for a user who is gone."""
    query = select(User.token_epoch).where(User.id == user_id, User.deleted_at.is_(None))
    return session.scalar(query)


def users_by_page(session: Session, *, offset: int, limit: int) -> Sequence[User]:
    """Users by ascending id, counted from the first."""
    query = select(User).where(User.deleted_at.is_(None))
    return session.scalars(query.order_by(User.id).offset(offset).limit(limit)).all()


def ids_of_users() -> Select[int]:
    """Whom a list of all users has, to be counted."""
    return select(User.id).where(User.deleted_at.is_(None))


def list_users(session: Session, *, after: int, limit: int, q: str | None) -> Sequence[User]:
    """Users by ascending id, from behind *after*.

    Args:
        q: Part of a username or an address.
    """
    query = select(User).where(User.id > after, User.deleted_at.is_(None))
    if q:
        part = name_key(q)
        query = query.where(
            or_(
                User.username_key.contains(part, autoescape=True),
                User.email_key.contains(part, autoescape=True),
            )
        )
    return session.scalars(query.order_by(User.id).limit(limit)).all()
