# SPDX-License-Identifier: Apache-2.0
"""What may come in on the seeds' surfaces, and what goes out. The examples are the seeds' own."""

from typing import Annotated, Any, Self, cast

from pydantic import ConfigDict, Field, RootModel

from auth.commands.users import Changes
from auth.models import Role, User
from auth.names import EmailAddress, Fullname, Username
from auth.passwords import GivenPassword, SeedPassword
from auth.schemas import Login, NotNull
from common.schemas import Schema, Shown
from common.seeds.mithril import Envelope

Rol = Annotated[int, Field(ge=1, le=3)]
"""A role by its number; a ``Literal`` would take ``true`` for 1."""

ROLES: dict[int, Role] = {1: "admin", 2: "user", 3: "analyst"}
ROLS: dict[str, int] = {role: rol for rol, role in ROLES.items()}


def example(body: dict[str, Any]) -> ConfigDict:
    """A strict body, documented with the seed's own."""
    return Schema.model_config | ConfigDict(json_schema_extra={"examples": [body]})


class SeedUserShown(Shown):
    """A user as all seeds see one."""

    id: int
    username: str
    email: str | None
    fullname: str | None
    rol: Rol
    role: Role

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(
            id=user.id,
            username=user.username,
            email=user.email,
            fullname=user.fullname,
            rol=ROLS[user.role],
            role=cast("Role", user.role),
        )


class S0SignUp(Schema):
    model_config = example({"username": "ada", "password": "12345", "email": "ada@example.com"})

    username: Username
    password: SeedPassword
    email: EmailAddress | None = None
    fullname: Fullname | None = None


class S0SignIn(Schema):
    """One of the two names, and the password."""

    model_config = example({"username": "ada", "password": "12345"})

    username: Annotated[Login | None, NotNull] = None
    email: Annotated[Login | None, NotNull] = None
    password: GivenPassword


class S0SignedInShown(Shown):
    token: str
    access_token: str
    refresh_token: str
    user: SeedUserShown


class S0ChangeUser(Schema):
    """What shall be another; only admins change a password without the current one."""

    model_config = example({"fullname": "Ada Lovelace", "email": "ada@example.com"})

    email: EmailAddress | None = None
    fullname: Fullname | None = None
    password: Annotated[SeedPassword | None, NotNull] = None
    current_password: Annotated[GivenPassword | None, NotNull] = None

    def changes(self) -> Changes:
        """What the request names; null clears a field, absence keeps it."""
        named = self.model_dump(include={"email", "fullname"}, exclude_unset=True)
        return cast("Changes", named)


class S1LogIn(Schema):
    model_config = example({"email": "josuecevedo@gmail.com", "password": "rgu7ue56ie"})

    email: Login
    password: GivenPassword


class S1TokenShown(Shown):
    Token: str


class S1NewUser(S0SignUp):
    model_config = example(
        {
            "fullname": "arnoldo",
            "password": "cheutere",
            "username": "marado",
            "email": "josuecevedo@xd.com",
            "rol": 2,
        }
    )

    rol: Rol = 2


class S1ChangeUser(Schema):
    model_config = example({"rol": 1})

    email: EmailAddress | None = None
    fullname: Fullname | None = None
    password: Annotated[SeedPassword | None, NotNull] = None
    rol: Annotated[Rol | None, NotNull] = None

    def changes(self) -> Changes:
        """What the request names; null clears a field, absence keeps it."""
        named = self.model_dump(include={"email", "fullname"}, exclude_unset=True)
        if self.rol is not None:
            named["role"] = ROLES[self.rol]
        return cast("Changes", named)


class S1UsersShown(RootModel[list[SeedUserShown]]):
    """All users of one page."""


class S1DeletedShown(Shown):
    message: str
    id: int


class S2SignUp(Schema):
    model_config = example({"username": "ada", "email": "ada@example.com", "password": "12345"})

    username: Username
    email: EmailAddress
    password: SeedPassword


class S2SignedUpShown(Shown):
    id: int
    username: str
    email: str
    access_token: str
    refresh_token: str


class S2LogIn(Schema):
    model_config = example({"username": "ada", "password": "12345"})

    username: Login
    password: GivenPassword


class S2LoggedInShown(Shown):
    access_token: str
    refresh_token: str
    user: SeedUserShown


class S2RefreshedShown(Shown):
    access_token: str


class S3NewCustomer(Schema):
    model_config = example({"username": "customer1"})

    username: Username


class S3CustomerShown(Shown):
    customer_id: int
    id: int
    username: str
    access_token: str


class S4Register(Schema):
    model_config = example({"username": "Rory", "password": "12345"})

    username: Username
    password: SeedPassword


class S4Registered(Shown):
    id: int
    username: str


class S4RegisteredShown(Envelope[S4Registered]):
    """The new user, in the envelope."""


class S4LogIn(Schema):
    model_config = example({"username": "Rory", "password": "12345"})

    username: Login
    password: GivenPassword


class S4Token(Shown):
    token: str


class S4TokenShown(Envelope[S4Token]):
    """The token, in the envelope."""
