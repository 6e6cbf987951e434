# SPDX-License-Identifier: Apache-2.0
"""S1, Marketplace: a token for an address and a password, and users for admins."""

from apiflask import APIBlueprint
from flask import Response

from auth import queries
from auth.errors import (
    BadCredentials,
    EmailTaken,
    LastAdmin,
    TooManyFailures,
    UsernameTaken,
    UserNotFound,
)
from auth.models import ADMIN
from auth.routes import accounts, keep_private, user_id_in
from auth.seed_schemas import (
    ROLES,
    S1ChangeUser,
    S1DeletedShown,
    S1LogIn,
    S1NewUser,
    S1TokenShown,
    S1UsersShown,
    SeedUserShown,
)
from common.access import public, requires
from common.app import database
from common.seeds.counting import counted
from common.seeds.lists import SeedPage, listed
from common.spec import refuses

blueprint = APIBlueprint("s1", __name__, tag="S1 Marketplace")
blueprint.after_request(keep_private)


@blueprint.post("/users/login")
@public
@refuses(BadCredentials, TooManyFailures)
@blueprint.input(S1LogIn)
@blueprint.output(S1TokenShown)
def post_login(json_data: S1LogIn) -> S1TokenShown:
    """Log in by email address."""
    user = accounts().authenticate(login=json_data.email, password=json_data.password)
    return S1TokenShown(Token=accounts().access_token(user))


@blueprint.get("/api/users")
@requires(ADMIN)
@blueprint.input(SeedPage, location="query")
@blueprint.output(S1UsersShown)
def get_users(query_data: SeedPage) -> Response:
    """List all users."""
    # One more than asked for tells whether there is a next page.
    found = database().read(
        queries.users_by_page, offset=query_data.offset, limit=query_data.limit + 1
    )
    total = database().read(counted, queries.ids_of_users())
    items = [SeedUserShown.of(user).model_dump() for user in found[: query_data.limit]]
    return listed(items, query_data, total=total, more=len(found) > query_data.limit)


@blueprint.post("/api/users")
@requires(ADMIN)
@refuses(UsernameTaken, EmailTaken)
@blueprint.input(S1NewUser)
@blueprint.output(SeedUserShown, status_code=201)
def post_user(json_data: S1NewUser) -> tuple[SeedUserShown, int, dict[str, str]]:
    """Give somebody an account."""
    user = accounts().create_user(
        username=json_data.username,
        password=json_data.password,
        email=json_data.email,
        fullname=json_data.fullname,
        role=ROLES[json_data.rol],
    )
    return SeedUserShown.of(user), 201, {"Location": f"/api/users/{user.id}"}


@blueprint.get("/api/users/<ref>")
@requires(ADMIN)
@refuses(UserNotFound)
@blueprint.output(SeedUserShown)
def get_user(ref: str) -> SeedUserShown:
    """Show a user."""
    return SeedUserShown.of(database().read(queries.user_by_id, user_id_in(ref)))


@blueprint.put("/api/users/<ref>")
@requires(ADMIN)
@refuses(UserNotFound, EmailTaken, LastAdmin)
@blueprint.input(S1ChangeUser)
@blueprint.output(SeedUserShown)
def put_user(ref: str, json_data: S1ChangeUser) -> SeedUserShown:
    """Change a user's role, data or password."""
    user = accounts().change_user(user_id_in(ref), json_data.changes(), password=json_data.password)
    return SeedUserShown.of(user)


@blueprint.delete("/api/users/<ref>")
@requires(ADMIN)
@refuses(UserNotFound, LastAdmin)
@blueprint.output(S1DeletedShown)
def delete_user(ref: str) -> S1DeletedShown:
    """Delete a user."""
    user_id = user_id_in(ref)
    accounts().delete_user(user_id)
    return S1DeletedShown(message="The user is deleted.", id=user_id)
