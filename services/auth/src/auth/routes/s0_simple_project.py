# SPDX-License-Identifier: Apache-2.0
"""S0, Simple Project: users. What is a conflict elsewhere is 422 here; its table has no 409."""

from apiflask import APIBlueprint
from flask import Response

from auth.errors import EmailTaken, TooManyFailures, UsernameTaken, UserNotFound
from auth.routes import accounts, keep_private, user_id_in
from auth.seed_schemas import S0ChangeUser, S0SignedInShown, S0SignIn, S0SignUp, SeedUserShown
from common.access import identity, public, requires
from common.problems import Forbidden, Unauthenticated, Unprocessable
from common.refusals import response_to
from common.seeds.accept import AcceptMissing, must_accept
from common.spec import refuses

blueprint = APIBlueprint("s0", __name__, url_prefix="/users", tag="S0 Simple Project")
blueprint.before_request(must_accept)
blueprint.after_request(keep_private)


@blueprint.errorhandler(UsernameTaken)
def name_username(taken: UsernameTaken) -> Response:
    return response_to(Unprocessable(errors={"username": [taken.detail]}))


@blueprint.errorhandler(EmailTaken)
def name_email(taken: EmailTaken) -> Response:
    return response_to(Unprocessable(errors={"email": [taken.detail]}))


@blueprint.post("/SignUp")
@public
@refuses(AcceptMissing)
@blueprint.input(S0SignUp)
@blueprint.output(SeedUserShown, status_code=201)
def post_sign_up(json_data: S0SignUp) -> SeedUserShown:
    """Sign up."""
    user = accounts().create_user(
        username=json_data.username,
        password=json_data.password,
        email=json_data.email,
        fullname=json_data.fullname,
    )
    return SeedUserShown.of(user)


@blueprint.post("/SignIn")
@public
@refuses(AcceptMissing, Unauthenticated, TooManyFailures)
@blueprint.input(S0SignIn)
@blueprint.output(S0SignedInShown)
def post_sign_in(json_data: S0SignIn) -> S0SignedInShown:
    """Sign in by username or email address."""
    names = [name for name in (json_data.username, json_data.email) if name is not None]
    if len(names) != 1:
        raise Unprocessable(errors={"username": ["give either this or email"]})
    logged_in = accounts().log_in(login=names[0], password=json_data.password)
    return S0SignedInShown(
        token=logged_in.access_token,
        access_token=logged_in.access_token,
        refresh_token=logged_in.refresh_token,
        user=SeedUserShown.of(logged_in.user),
    )


@blueprint.post("/<ref>")
@requires()
@refuses(AcceptMissing, Forbidden, UserNotFound, TooManyFailures)
@blueprint.input(S0ChangeUser)
@blueprint.output(SeedUserShown)
def post_user(ref: str, json_data: S0ChangeUser) -> SeedUserShown:
    """Change a user: oneself, or anybody for admins."""
    user_id, me = user_id_in(ref), identity()
    if user_id != me.user_id and not me.is_admin:
        raise Forbidden
    changes, password, current = json_data.changes(), json_data.password, json_data.current_password
    if me.is_admin and current is None:
        user = accounts().change_user(user_id, changes, password=password)
    elif user_id == me.user_id:
        user = accounts().change_self(user_id, changes, password=password, current=current)
    else:
        raise Unprocessable(errors={"current_password": ["is for one's own password only"]})
    return SeedUserShown.of(user)
