# SPDX-License-Identifier: Apache-2.0
"""S2, Catalog: sign-up, log-in, and a refresh token that stays the same for a week."""

from apiflask import APIBlueprint

from auth.errors import BadCredentials, EmailTaken, TooManyFailures, UsernameTaken
from auth.routes import accounts, keep_private
from auth.seed_schemas import (
    S2LoggedInShown,
    S2LogIn,
    S2RefreshedShown,
    S2SignedUpShown,
    S2SignUp,
    SeedUserShown,
)
from common.access import bearer_token, public
from common.problems import TokenExpired, TokenInvalid, TokenMissing
from common.spec import refuses

blueprint = APIBlueprint("s2", __name__, url_prefix="/api/auth", tag="S2 Catalog")
blueprint.after_request(keep_private)


@blueprint.post("/signup")
@public
@refuses(UsernameTaken, EmailTaken)
@blueprint.input(S2SignUp)
@blueprint.output(S2SignedUpShown, status_code=201)
def post_signup(json_data: S2SignUp) -> S2SignedUpShown:
    """Sign up."""
    user = accounts().create_user(
        username=json_data.username, password=json_data.password, email=json_data.email
    )
    signed_up = accounts().log_in_steadily(user)
    return S2SignedUpShown(
        id=user.id,
        username=user.username,
        email=json_data.email,
        access_token=signed_up.access_token,
        refresh_token=signed_up.refresh_token,
    )


@blueprint.post("/login")
@public
@refuses(BadCredentials, TooManyFailures)
@blueprint.input(S2LogIn)
@blueprint.output(S2LoggedInShown)
def post_login(json_data: S2LogIn) -> S2LoggedInShown:
    """Log in."""
    user = accounts().authenticate(login=json_data.username, password=json_data.password)
    logged_in = accounts().log_in_steadily(user)
    return S2LoggedInShown(
        access_token=logged_in.access_token,
        refresh_token=logged_in.refresh_token,
        user=SeedUserShown.of(user),
    )


# The bearer is no access token here, so the guard can not know it: the view reads it itself.
@blueprint.get("/refresh", endpoint="get_refresh")
@blueprint.post("/refresh")
@public
@refuses(TokenMissing, TokenExpired, TokenInvalid)
@blueprint.output(S2RefreshedShown)
def post_refresh() -> S2RefreshedShown:
    """Exchange the refresh token, sent as bearer, for a new access token."""
    return S2RefreshedShown(access_token=accounts().refresh_steadily(bearer_token()))
