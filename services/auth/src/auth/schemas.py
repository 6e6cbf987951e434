# SPDX-License-Identifier: Apache-2.0
"""What may come in on ``/v1``, and what goes out."""

from datetime import datetime
from typing import Annotated, Any, Self, cast

from pydantic import AfterValidator, Field, PlainSerializer

from auth.accounts import LoggedIn
from auth.commands.users import Changes
from auth.models import USER, Role
from auth.names import LONGEST_EMAIL, EmailAddress, Fullname, Username
from auth.passwords import GivenPassword, Password
from common.clock import rfc3339
from common.schemas import Line, Page, Schema, Shown


def _not_null(value: Any) -> Any:
    if value is None:
        raise ValueError("must not be null; leave it out to keep what there is")
    return value


NotNull = AfterValidator(_not_null)
"""For a field that may be absent but not cleared."""

Token = Annotated[str, Field(min_length=1, max_length=1000)]
Moment = Annotated[datetime, PlainSerializer(rfc3339, return_type=str)]


Login = Annotated[Line, Field(min_length=1, max_length=LONGEST_EMAIL)]
"""A username or an address to look for: whatever rule was in force when it was set."""


class SignUp(Schema):
    model_config = Schema.model_config | {
        "json_schema_extra": {
            "examples": [
                {"username": "ada", "password": "a long sentence", "email": "ada@mail.example"}
            ]
        }
    }

    username: Username
    password: Password
    email: EmailAddress | None = None
    fullname: Fullname | None = None


class LogIn(Schema):
    model_config = Schema.model_config | {
        "json_schema_extra": {"examples": [{"login": "ada", "password": "a long sentence"}]}
    }

    login: Login
    password: GivenPassword


class Refresh(Schema):
    model_config = Schema.model_config | {
        "json_schema_extra": {
            "examples": [{"refresh_token": "the one that came with the access token"}]
        }
    }

    refresh_token: Token


class Nothing(Schema):
    """A call without a body; an empty object will do."""

    model_config = Schema.model_config | {"json_schema_extra": {"examples": [{}]}}


class NewUser(SignUp):
    model_config = Schema.model_config | {
        "json_schema_extra": {
            "examples": [{"username": "grace", "password": "a long sentence", "role": "analyst"}]
        }
    }

    role: Role = USER


class ChangeUser(Schema):
    model_config = Schema.model_config | {"json_schema_extra": {"examples": [{"role": "admin"}]}}

    email: EmailAddress | None = None
    fullname: Fullname | None = None
    role: Annotated[Role | None, NotNull] = None
    password: Annotated[Password | None, NotNull] = None

    def changes(self) -> Changes:
        """What the request names; null clears a field, absence keeps it."""
        named = self.model_dump(include={"email", "fullname", "role"}, exclude_unset=True)
        return cast("Changes", named)


class ChangeMe(Schema):
    model_config = Schema.model_config | {
        "json_schema_extra": {"examples": [{"fullname": "Ada Lovelace"}]}
    }

    email: EmailAddress | None = None
    fullname: Fullname | None = None
    password: Annotated[Password | None, NotNull] = None
    current_password: Annotated[GivenPassword | None, NotNull] = None

    def changes(self) -> Changes:
        """What the request names; null clears a field, absence keeps it."""
        named = self.model_dump(include={"email", "fullname"}, exclude_unset=True)
        return cast("Changes", named)


class UsersPage(Page):
    """Which users.

    Attributes:
        q: Part of a username or an address.
    """

    q: Annotated[Line | None, Field(max_length=LONGEST_EMAIL)] = None


class UserShown(Shown):
    id: int
    username: str
    email: str | None
    fullname: str | None
    role: Role
    guest: bool
    created_at: Moment


class UsersShown(Shown):
    items: list[UserShown]
    next_cursor: str | None


class TokensShown(Shown):
    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int


class LoggedInShown(TokensShown):
    user: UserShown


class SignedUpShown(TokensShown):
    id: int
    username: str
    email: str | None
    fullname: str | None
    role: Role

    @classmethod
    def of(cls, signed_up: LoggedIn) -> Self:
        user = signed_up.user
        return cls(
            id=user.id,
            username=user.username,
            email=user.email,
            fullname=user.fullname,
            role=cast("Role", user.role),
            access_token=signed_up.access_token,
            refresh_token=signed_up.refresh_token,
            token_type=signed_up.token_type,
            expires_in=signed_up.expires_in,
        )


class KeyShown(Shown):
    """A public key as RFC 7517 has it."""

    kty: str
    crv: str
    x: str
    y: str
    kid: str
    use: str
    alg: str


class KeySetShown(Shown):
    keys: list[KeyShown]


class AccountShown(Shown):
    """As much of a user as other services may know."""

    id: int
    username: str
    role: Role
    guest: bool


class EpochShown(Shown):
    epoch: int | None
