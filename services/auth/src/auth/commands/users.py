# SPDX-License-Identifier: Apache-2.0
"""What can happen to a user."""

from collections.abc import Iterable
from typing import TypedDict

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from auth.commands.refresh import begin_family, revoke_families
from auth.errors import (
    EmailTaken,
    LastAdmin,
    NeverLogsIn,
    UsernameTaken,
    UserNotFound,
    WrongCurrentPassword,
)
from auth.events import tell
from auth.models import ADMIN, USER, Role, User
from auth.names import STORE, name_key
from auth.queries import user_by_name
from common.contracts import UserChanged, UserDeleted, UserRegistered


class Changes(TypedDict, total=False):
    """What shall be another now; a field that is absent stays as it is."""

    email: str | None
    fullname: str | None
    role: Role
    password_hash: str


def register_user(
    session: Session,
    *,
    username: str,
    password_hash: str,
    email: str | None = None,
    fullname: str | None = None,
    role: Role = USER,
) -> User:
    """Give somebody an account.

    Raises:
        UsernameTaken, EmailTaken: Another user has the same one, but for its spelling.

    Effects:
        Appends ``UserRegistered``.
    """
    user = User(
        username=username,
        username_key=_free_name(session, username, email),
        fullname=fullname,
        role=role,
        password_hash=password_hash,
    )
    user.set_email(email)
    return _welcome(session, user)


def register_guest(session: Session, *, username: str) -> User:
    """Give a guest an account: without a password, so that nobody ever logs in to it.

    Raises:
        UsernameTaken: Another user has the name, but for its spelling.

    Effects:
        Appends ``UserRegistered``.
    """
    key = _free_name(session, username, None)
    return _welcome(session, User(username=username, username_key=key, role=USER, guest=True))


def ensure_store(session: Session) -> User:
    """Make sure that the built-in seller of an open store is there.

    Effects:
        Appends ``UserRegistered`` the first time.
    """
    user = user_by_name(session, STORE)
    if user is not None:
        return user
    return _welcome(session, User(username=STORE, username_key=STORE, role=USER))


def change_user(
    session: Session, *, user_id: int, changes: Changes, known_hash: str | None = None
) -> User:
    """Change a user's data, role or password, and tell the world what it can see of it.

    Args:
        known_hash: What the current password was compared with, if it was.

    Raises:
        UserNotFound: No such user.
        EmailTaken: Another user has the address.
        LastAdmin: Nobody else is an admin.
        NeverLogsIn: A guest or the store would get a password or a role.
        WrongCurrentPassword: The password was changed since it was compared.

    Effects:
        A new role or password kills all tokens. Appends ``UserChanged`` if the address, the full
        name or the role is another than before.
    """
    demotes = changes.get("role", ADMIN) != ADMIN
    locked = lock_with_admins(session, user_id) if demotes else lock_users(session, {user_id})
    user = _living(locked, user_id)
    if known_hash is not None and user.password_hash != known_hash:
        raise WrongCurrentPassword
    _must_suit(user, changes)
    before = (user.email, user.fullname, user.role)
    if "email" in changes:
        _set_email(session, user, changes["email"])
    user.fullname = changes.get("fullname", user.fullname)
    if "role" in changes and changes["role"] != user.role:
        _must_leave_an_admin(locked, user)
        user.role = changes["role"]
        _kill_tokens(session, user)
    if "password_hash" in changes:
        user.password_hash = changes["password_hash"]
        _kill_tokens(session, user)
    if before != (user.email, user.fullname, user.role):
        user.changed()
        tell(session, UserChanged, user)
    return user


def delete_user(session: Session, *, user_id: int) -> User:
    """Delete a user: the id stays for others' references, everything personal goes.

    Raises:
        UserNotFound: No such user.
        LastAdmin: Nobody else is an admin.

    Effects:
        Kills all tokens. Appends ``UserDeleted`` with the last state.
    """
    locked = lock_with_admins(session, user_id)
    user = _living(locked, user_id)
    _must_leave_an_admin(locked, user)
    user.changed()
    tell(session, UserDeleted, user)
    _kill_tokens(session, user)
    user.anonymise()
    return user


def sign_up(
    session: Session,
    *,
    username: str,
    password_hash: str,
    email: str | None,
    fullname: str | None,
    seconds: int,
) -> tuple[User, str]:
    """Give somebody an account and log them in; returns the user and a refresh token.

    Args:
        seconds: How long the refresh token is good.

    Raises:
        UsernameTaken, EmailTaken: Another user has the same one, but for its spelling.
    """
    user = register_user(
        session, username=username, password_hash=password_hash, email=email, fullname=fullname
    )
    return user, begin_family(session, user=user, seconds=seconds)


def ensure_admin(session: Session, *, username: str, email: str, password_hash: str) -> User:
    """Make sure that *username* is an admin; somebody who exists keeps password and address.

    Raises:
        EmailTaken: Nobody has the name, but somebody else has the address.
    """
    try:
        return register_user(
            session, username=username, password_hash=password_hash, email=email, role=ADMIN
        )
    except UsernameTaken:
        user = user_by_name(session, username)
        if user is None:
            raise
        return change_user(session, user_id=user.id, changes={"role": ADMIN})


def log_out_everywhere(session: Session, *, user_id: int) -> User:
    """Kill all tokens of a user.

    Raises:
        UserNotFound: No such user.
    """
    user = _living(lock_users(session, {user_id}), user_id)
    _kill_tokens(session, user)
    return user


def lock_with_admins(session: Session, user_id: int) -> list[User]:
    """Lock a user and all admins, before a change that may leave the shop without an admin.

    Who becomes an admin after the look at the ids does the rule no harm; who stops being one is
    seen as such once the rows are locked.
    """
    admins = session.scalars(select(User.id).where(User.role == ADMIN))
    return lock_users(session, {user_id, *admins})


def lock_users(session: Session, ids: Iterable[int]) -> list[User]:
    """Lock these users in id order, so that two changes never wait for each other."""
    query = select(User).where(User.id.in_(ids)).order_by(User.id).with_for_update()
    return list(session.scalars(query.execution_options(populate_existing=True)))


def _living(locked: Iterable[User], user_id: int) -> User:
    for user in locked:
        if user.id == user_id and user.deleted_at is None:
            return user
    raise UserNotFound


def _must_leave_an_admin(locked: Iterable[User], leaving: User) -> None:
    if leaving.is_admin and not any(user.is_admin for user in locked if user is not leaving):
        raise LastAdmin


def _must_suit(user: User, changes: Changes) -> None:
    # A guest with a role would count as an admin whom nobody can log in as; with a password, the
    # cart that strangers could reach in an open store would be somebody's.
    unfit = changes.keys() & {"role", "password_hash"}
    if changes.get("role") == user.role:
        unfit.remove("role")
    if user.password_hash is None and unfit:
        raise NeverLogsIn(unfit)


def _welcome(session: Session, user: User) -> User:
    session.add(user)
    session.flush()
    tell(session, UserRegistered, user)
    return user


def _free_name(session: Session, username: str, email: str | None) -> str:
    """The key of a name that a new user may have."""
    key = name_key(username)
    if key == STORE:
        raise UsernameTaken
    # One statement: between two, another sign-up of the same person could commit, and the name
    # would seem free but the address taken.
    same = [User.username_key == key]
    if email is not None:
        same.append(User.email_key == name_key(email))
    taken = session.scalars(select(User.username_key).where(or_(*same))).all()
    if key in taken:
        raise UsernameTaken
    if taken:
        raise EmailTaken
    return key


def _set_email(session: Session, user: User, email: str | None) -> None:
    if email is not None:
        same = User.email_key == name_key(email), User.id != user.id
        if session.scalar(select(User.id).where(*same)):
            raise EmailTaken
    user.set_email(email)


def _kill_tokens(session: Session, user: User) -> None:
    user.kill_tokens()
    revoke_families(session, user_id=user.id)
