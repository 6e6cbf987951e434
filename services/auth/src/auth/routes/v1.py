# SPDX-License-Identifier: Apache-2.0
"""The canonical API of users and log-ins."""

from apiflask import APIBlueprint

from auth import queries
from auth.accounts import LoggedIn
from auth.errors import (
    BadCredentials,
    EmailTaken,
    LastAdmin,
    RefreshInvalid,
    RefreshReused,
    TooManyFailures,
    UsernameTaken,
    UserNotFound,
)
from auth.models import ADMIN, User
from auth.routes import accounts, keep_private, user_id_in
from auth.schemas import (
    ChangeMe,
    ChangeUser,
    LoggedInShown,
    LogIn,
    NewUser,
    Nothing,
    Refresh,
    SignedUpShown,
    SignUp,
    TokensShown,
    UserShown,
    UsersPage,
    UsersShown,
)
from common.access import identity, public, requires
from common.app import cursors, database
from common.problems import TokenInvalid
from common.spec import refuses

blueprint = APIBlueprint("v1", __name__, url_prefix="/v1", tag="users")
blueprint.after_request(keep_private)


@blueprint.post("/auth/signup")
@public
@refuses(UsernameTaken, EmailTaken)
@blueprint.input(SignUp)
@blueprint.output(SignedUpShown, status_code=201)
def post_signup(json_data: SignUp) -> SignedUpShown:
    """Sign up, and be logged in."""
    signed_up = accounts().sign_up(
        username=json_data.username,
        password=json_data.password,
        email=json_data.email,
        fullname=json_data.fullname,
    )
    return SignedUpShown.of(signed_up)


@blueprint.post("/auth/login")
@public
@refuses(BadCredentials, TooManyFailures)
@blueprint.input(LogIn)
@blueprint.output(LoggedInShown)
def post_login(json_data: LogIn) -> LoggedIn:
    """Log in by username or email address."""
    return accounts().log_in(login=json_data.login, password=json_data.password)


@blueprint.post("/auth/refresh")
@public
@refuses(RefreshInvalid, RefreshReused)
@blueprint.input(Refresh)
@blueprint.output(TokensShown)
def post_refresh(json_data: Refresh) -> LoggedIn:
    """Exchange a refresh token for new tokens. It works once."""
    return accounts().refresh(json_data.refresh_token)


@blueprint.post("/auth/logout")
@public
@refuses(RefreshInvalid)
@blueprint.input(Refresh)
@blueprint.output({}, status_code=204)
def post_logout(json_data: Refresh) -> tuple[str, int]:
    """End the log-in that a refresh token belongs to."""
    accounts().log_out(json_data.refresh_token)
    return "", 204


@blueprint.post("/auth/logout-all")
@requires()
@blueprint.input(Nothing)
@blueprint.output({}, status_code=204)
def post_logout_all(json_data: Nothing) -> tuple[str, int]:  # noqa: ARG001 - it has no fields
    """End all log-ins and kill all tokens of the user."""
    accounts().log_out_everywhere(identity().user_id)
    return "", 204


@blueprint.get("/users/me")
@requires()
@blueprint.output(UserShown)
def get_me() -> User:
    """Show the own account."""
    try:
        return database().read(queries.user_by_id, identity().user_id)
    except UserNotFound as error:
        # Reads may trust a token for some seconds more than its user lives.
        raise TokenInvalid from error


@blueprint.patch("/users/me")
@requires()
@refuses(EmailTaken, TooManyFailures)
@blueprint.input(ChangeMe)
@blueprint.output(UserShown)
def patch_me(json_data: ChangeMe) -> User:
    """Change the own account; a new password needs the current one."""
    return accounts().change_self(
        identity().user_id,
        json_data.changes(),
        password=json_data.password,
        current=json_data.current_password,
    )


@blueprint.delete("/users/me")
@requires()
@refuses(LastAdmin)
@blueprint.output({}, status_code=204)
def delete_me() -> tuple[str, int]:
    """Delete the own account."""
    accounts().delete_user(identity().user_id)
    return "", 204


@blueprint.get("/users")
@requires(ADMIN)
@blueprint.input(UsersPage, location="query")
@blueprint.output(UsersShown)
def get_users(query_data: UsersPage) -> UsersShown:
    """List users."""
    listing, limit = f"users:{query_data.q or ''}", query_data.limit
    after = cursors().read(listing, query_data.cursor)[0] if query_data.cursor else 0
    # One more than asked for tells whether there is a next page.
    found = database().read(queries.list_users, after=after, limit=limit + 1, q=query_data.q)
    items = [UserShown.model_validate(user) for user in found[:limit]]
    more = cursors().make(listing, [items[-1].id]) if len(found) > limit else None
    return UsersShown(items=items, next_cursor=more)


@blueprint.post("/users")
@requires(ADMIN)
@refuses(UsernameTaken, EmailTaken)
@blueprint.input(NewUser)
@blueprint.output(UserShown, status_code=201)
def post_user(json_data: NewUser) -> tuple[User, int, dict[str, str]]:
    """Give somebody an account."""
    user = accounts().create_user(
        username=json_data.username,
        password=json_data.password,
        email=json_data.email,
        fullname=json_data.fullname,
        role=json_data.role,
    )
    return user, 201, {"Location": f"/v1/users/{user.id}"}


@blueprint.get("/users/<ref>")
@requires(ADMIN)
@refuses(UserNotFound)
@blueprint.output(UserShown)
def get_user(ref: str) -> User:
    """Show a user."""
    return database().read(queries.user_by_id, user_id_in(ref))


@blueprint.patch("/users/<ref>")
@requires(ADMIN)
@refuses(UserNotFound, EmailTaken, LastAdmin)
@blueprint.input(ChangeUser)
@blueprint.output(UserShown)
def patch_user(ref: str, json_data: ChangeUser) -> User:
    """Change a user's data, role or password."""
    return accounts().change_user(user_id_in(ref), json_data.changes(), password=json_data.password)


@blueprint.delete("/users/<ref>")
@requires(ADMIN)
@refuses(UserNotFound, LastAdmin)
@blueprint.output({}, status_code=204)
def delete_user(ref: str) -> tuple[str, int]:
    """Delete a user: the id stays, everything personal goes."""
    accounts().delete_user(user_id_in(ref))
    return "", 204
