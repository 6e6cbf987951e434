# SPDX-License-Identifier: Apache-2.0
"""What every surface asks of auth: the order of hashing, transaction, Redis and signing.

Passwords are hashed and compared before the transaction, copies of epochs are marked before it and
settled after it, tokens are signed after it. No surface has to know that, and no command may.
"""

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from pydantic import SecretStr

from auth import queries
from auth.commands import refresh, users
from auth.commands.users import Changes
from auth.config import Config
from auth.epochs import EpochCopies
from auth.errors import (
    BadCredentials,
    RefreshReused,
    TooManyFailures,
    UserNotFound,
    WrongCurrentPassword,
)
from auth.keys import AccessTokens
from auth.models import USER, Role, User
from auth.names import name_key
from auth.passwords import Hashing
from auth.steady import SteadyTokens
from auth.throttle import Throttle
from common.db import Database
from common.problems import TokenInvalid, Unavailable, Unprocessable


@dataclass(frozen=True, kw_only=True)
class LoggedIn:
    """A user and the tokens of a log-in."""

    user: User
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name


class Accounts:
    """Users and their log-ins."""

    def __init__(
        self,
        config: Config,
        *,
        database: Database,
        tokens: AccessTokens,
        steady: SteadyTokens,
        hashing: Hashing,
        throttle: Throttle,
        copies: EpochCopies,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._steady = steady
        self._hashing = hashing
        self._throttle = throttle
        self._copies = copies
        self._seconds = config.refresh_token_seconds
        self._grace = config.refresh_grace_seconds
        self._successor_key = config.secret_key.get_secret_value().encode()

    def sign_up(
        self, *, username: str, password: SecretStr, email: str | None, fullname: str | None
    ) -> LoggedIn:
        """Give somebody an account and log them in.

        Raises:
            UsernameTaken, EmailTaken: Another user has it.
        """
        user, refresh_token = self._database.run(
            users.sign_up,
            username=username,
            password_hash=self._hashing.hash(password),
            email=email,
            fullname=fullname,
            seconds=self._seconds,
        )
        return self._logged_in(user, refresh_token)

    def authenticate(self, *, login: str, password: SecretStr) -> User:
        """Whose *login* and *password* these are.

        Raises:
            BadCredentials: No such user or a wrong password; the time does not tell which.
            TooManyFailures: There were too many of these in a row.
        """
        user = self._database.read(queries.user_by_login, login)
        account = _account(user.id) if user else _nobodys_account(login)
        right = self._is_right(account, user.password_hash if user else None, password)
        if user is None or not right:
            raise BadCredentials(user_exists=user is not None)
        return user

    def access_token(self, user: User) -> str:
        """A token for who *user* was when read: if that has changed since, its epoch is dead."""
        return self._tokens.issue(user)

    def log_in(self, *, login: str, password: SecretStr) -> LoggedIn:
        """Begin a log-in.

        Raises:
            BadCredentials, TooManyFailures: As ``authenticate`` does.
        """
        user = self.authenticate(login=login, password=password)
        user, refresh_token = self._database.run(
            refresh.log_in, user_id=user.id, known_hash=user.password_hash, seconds=self._seconds
        )
        return self._logged_in(user, refresh_token)

    def refresh(self, token: str) -> LoggedIn:
        """Exchange a refresh token for new tokens.

        Raises:
            RefreshInvalid: Unknown, expired, or the log-in has ended.
            RefreshReused: It was used before. The log-in has ended and access tokens are dead.
        """
        try:
            user, following = self._database.run(
                refresh.rotate,
                token=token,
                successor=self._successor,
                seconds=self._seconds,
                grace=self._grace,
            )
        except RefreshReused as reuse:
            self._punish(reuse)
            raise
        return self._logged_in(user, following)

    def log_in_steadily(self, user: User) -> LoggedIn:
        """Tokens of which the one for refreshing does not rotate, and which no table knows.

        Args:
            user: As read or written before; if that has changed since, the tokens are dead.
        """
        return self._logged_in(user, self._steady.issue(user))

    def refresh_steadily(self, token: str) -> str:
        """A new access token for a refresh token that does not rotate.

        Raises:
            TokenExpired, TokenInvalid: It is none, or not any more.
        """
        said = self._steady.read(token)
        try:
            user = self._database.read(queries.user_by_id, said.user_id)
        except UserNotFound as error:
            raise TokenInvalid from error
        if user.token_epoch != said.epoch:
            raise TokenInvalid("The token was revoked; log in again.")
        return self._tokens.issue(user)

    def log_out(self, token: str) -> None:
        """End the log-in that a refresh token belongs to.

        Raises:
            RefreshInvalid: There is none.
        """
        self._database.run(refresh.log_out, token=token)

    def log_out_everywhere(self, user_id: int) -> None:
        """End all log-ins of a user and kill the access tokens."""
        self._killing_tokens(users.log_out_everywhere, user_id=user_id)

    def create_user(
        self,
        *,
        username: str,
        password: SecretStr,
        email: str | None = None,
        fullname: str | None = None,
        role: Role = USER,
    ) -> User:
        """Give somebody an account.

        Raises:
            UsernameTaken, EmailTaken: Another user has it.
        """
        return self._database.run(
            users.register_user,
            username=username,
            password_hash=self._hashing.hash(password),
            email=email,
            fullname=fullname,
            role=role,
        )

    def create_guest(self, *, username: str) -> User:
        """Give a guest an account without a password.

        Raises:
            UsernameTaken: Another user has it.
        """
        return self._database.run(users.register_guest, username=username)

    def change_user(
        self,
        user_id: int,
        changes: Changes,
        *,
        password: SecretStr | None = None,
        known_hash: str | None = None,
    ) -> User:
        """Change a user in another's name, or in their own.

        Raises:
            UserNotFound, EmailTaken, LastAdmin, NeverLogsIn: As the command says.
        """
        if password is not None:
            changes = {**changes, "password_hash": self._hashing.hash(password)}
        kills = changes.keys() & {"role", "password_hash"}
        run: Callable[..., User] = self._killing_tokens if kills else self._database.run
        return run(users.change_user, user_id=user_id, changes=changes, known_hash=known_hash)

    def change_self(
        self,
        user_id: int,
        changes: Changes,
        *,
        current: SecretStr | None,
        password: SecretStr | None,
    ) -> User:
        """Change oneself. A new password needs the current one, or a found token were enough.

        Raises:
            Unprocessable: *current* is missing.
            WrongCurrentPassword: *current* is wrong; it counts as a failed log-in.
            TooManyFailures: There were too many of these in a row.
        """
        if password is None:
            return self.change_user(user_id, changes)
        if current is None:
            raise Unprocessable(errors={"current_password": ["is needed to change the password"]})
        user = self._database.read(queries.user_by_id, user_id)
        if not self._is_right(_account(user_id), user.password_hash, current):
            raise WrongCurrentPassword
        return self.change_user(user_id, changes, password=password, known_hash=user.password_hash)

    def delete_user(self, user_id: int) -> None:
        """Delete a user.

        Raises:
            UserNotFound, LastAdmin: As the command says.
        """
        self._killing_tokens(users.delete_user, user_id=user_id)

    def epoch(self, user_id: int) -> int | None:
        """The epoch that a user's tokens must have, None for nobody's; copied for who asks next."""
        epoch = self._database.read(queries.epoch_of_user, user_id)
        if epoch is not None:
            self._copies.answer(user_id, epoch)
        return epoch

    def _is_right(self, account: str, password_hash: str | None, password: SecretStr) -> bool:
        # Looked at and counted within the turn: a burst of guesses meets the wait that the first of
        # them caused, and gets at most as many looks too many as there are turns.
        with self._hashing.turn():
            if wait := self._throttle.seconds_to_wait(account):
                raise TooManyFailures(wait)
            if not self._hashing.matches(password_hash, password):
                if wait := self._throttle.failed(account):
                    raise TooManyFailures(wait)
                return False
        self._throttle.succeeded(account)
        return True

    def _killing_tokens(
        self, command: Callable[..., User], *, user_id: int, **arguments: object
    ) -> User:
        return _killing(self._database, self._copies, command, user_id=user_id, **arguments)

    def _punish(self, reuse: RefreshReused) -> None:
        user_id, family_id = reuse.user_id, reuse.family_id
        try:
            self._killing_tokens(refresh.punish_reuse, user_id=user_id, family_id=family_id)
        except Unavailable:
            # Here nobody waits for a promise: without Redis, ending the log-in is still worth it.
            self._database.run(refresh.punish_reuse, user_id=user_id, family_id=family_id)

    def _successor(self, token: str) -> str:
        mac = hmac.digest(self._successor_key, b"refresh-successor\0" + token.encode(), "sha256")
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")

    def _logged_in(self, user: User, refresh_token: str) -> LoggedIn:
        return LoggedIn(
            user=user,
            access_token=self._tokens.issue(user),
            refresh_token=refresh_token,
            expires_in=self._tokens.seconds,
        )


def ensure_admin(
    database: Database,
    hashing: Hashing,
    copies: EpochCopies,
    *,
    username: str,
    email: str,
    password: SecretStr,
) -> User:
    """Make sure that somebody is an admin; who has an account keeps password and address.

    Raises:
        EmailTaken: The account would be new, and somebody else has the address.
    """
    user = database.read(queries.user_by_name, username)
    if user is None:
        return database.run(
            users.ensure_admin,
            username=username,
            email=email,
            password_hash=hashing.hash(password),
        )
    if user.is_admin:
        return user
    role: Changes = {"role": "admin"}
    return _killing(database, copies, users.change_user, user_id=user.id, changes=role)


def _killing(
    database: Database,
    copies: EpochCopies,
    command: Callable[..., User],
    *,
    user_id: int,
    **arguments: object,
) -> User:
    """Run a command that kills a user's tokens, with the copies marked before and settled after."""
    mark = copies.mark(user_id)
    user = database.run(command, user_id=user_id, **arguments)
    copies.settle(user_id, mark, user.token_epoch)
    return user


def _account(user_id: int) -> str:
    return f"user/{user_id}"


def _nobodys_account(login: str) -> str:
    # A name that nobody has is counted like one that somebody has, or the difference would tell.
    return f"name/{sha256(name_key(login).encode()).hexdigest()}"
