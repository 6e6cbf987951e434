# SPDX-License-Identifier: Apache-2.0
"""The ways auth says no."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from common.problems import NotFound, Problem, Unauthenticated, Unprocessable


class UsernameTaken(Problem):
    status = 409
    detail = "Somebody else has this username."


class EmailTaken(Problem):
    status = 409
    detail = "Somebody else has this email address."


class LastAdmin(Problem):
    status = 409
    detail = "This is the last admin; make somebody else an admin first."


class UserNotFound(NotFound):
    code = "not_found"
    detail = "There is no such user."


class BadCredentials(Unauthenticated):
    """No such user or a wrong password; the answer does not tell which.

    Attributes:
        user_exists: For the one surface whose clients are told.
    """

    detail = "The login or the password is wrong."

    def __init__(self, *, user_exists: bool = True) -> None:
        super().__init__()
        self.user_exists = user_exists


class NoSuchUser(Problem):
    """Half of ``BadCredentials``, for S4."""

    status = 404
    detail = "Nobody has this username."


class WrongPassword(Unauthenticated):
    """The other half."""

    detail = "The password is wrong."


class WrongCurrentPassword(Unprocessable):
    code = "invalid"

    def __init__(self) -> None:
        super().__init__(errors={"current_password": ["is not the current password"]})


class NeverLogsIn(Unprocessable):
    """Guests and the built-in store have no password and no role, and never get one."""

    code = "invalid"
    detail = "This account never logs in, so it has neither a password nor another role."

    def __init__(self, fields: Iterable[str]) -> None:
        named = {"password" if field == "password_hash" else field for field in fields}
        super().__init__(errors={field: ["is not for one who never logs in"] for field in named})


class TooManyFailures(Problem):
    """Too many failed log-ins in a row; the right password works again after the wait."""

    status = 429
    detail = "Too many failed log-ins for this account; wait before the next one."

    def __init__(self, seconds: int) -> None:
        super().__init__(headers={"Retry-After": str(seconds)})


class RefreshInvalid(Unauthenticated):
    detail = "The refresh token is unknown, expired, or its log-in has ended; log in again."


class RefreshReused(Unauthenticated):
    """A refresh token came a second time: two parties hold it, and one of them stole it.

    Attributes:
        user_id: Whose it was.
        family_id: The log-in that must end.
    """

    detail = "The refresh token was used before, so its log-in was ended; log in again."

    def __init__(self, *, user_id: int, family_id: UUID) -> None:
        super().__init__()
        self.user_id = user_id
        self.family_id = family_id


class KeyPending(Problem):
    """A second rotation would leave the first one's key without a single token."""

    status = 409

    def __init__(self, kid: str, signs_from: datetime) -> None:
        super().__init__(
            f"The last rotation is not over: its key {kid} signs from {signs_from:%H:%M:%S} UTC on."
        )


class KeyUnknown(NotFound):
    detail = "No key of this number is in use; what JWT_PREVIOUS_PUBLIC_KEYS names ends with it."


class KeysSealedOtherwise(Problem):
    """Who rotates has another secret than the services, which could not read the new key."""

    status = 409

    def __init__(self, kid: str) -> None:
        super().__init__(
            f"The key {kid} was stored under another SECRET_KEY than this one: use auth's. "
            "If that one is lost, retire the key."
        )
