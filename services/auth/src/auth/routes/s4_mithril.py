# SPDX-License-Identifier: Apache-2.0
"""S4, Mithril: users, with every answer in its envelope."""

from apiflask import APIBlueprint
from flask import Response

from auth.errors import BadCredentials, NoSuchUser, TooManyFailures, UsernameTaken, WrongPassword
from auth.routes import accounts, keep_private
from auth.seed_schemas import (
    S4LogIn,
    S4Register,
    S4Registered,
    S4RegisteredShown,
    S4Token,
    S4TokenShown,
)
from common.access import public
from common.seeds.mithril import done
from common.spec import refuses

blueprint = APIBlueprint("s4", __name__, url_prefix="/api/user", tag="S4 Mithril")
blueprint.after_request(keep_private)


@blueprint.post("/register")
@public
@refuses(UsernameTaken)
@blueprint.input(S4Register)
@blueprint.output(S4RegisteredShown)
def post_register(json_data: S4Register) -> Response:
    """Sign up."""
    user = accounts().create_user(username=json_data.username, password=json_data.password)
    return done(S4Registered(id=user.id, username=user.username))


@blueprint.post("/login")
@public
@refuses(NoSuchUser, WrongPassword, TooManyFailures)
@blueprint.input(S4LogIn)
@blueprint.output(S4TokenShown)
def post_login(json_data: S4LogIn) -> Response:
    """Log in. This surface tells an unknown user from a wrong password; both are throttled."""
    try:
        user = accounts().authenticate(login=json_data.username, password=json_data.password)
    except BadCredentials as bad:
        raise (WrongPassword if bad.user_exists else NoSuchUser) from bad
    return done(S4Token(token=accounts().access_token(user)))
