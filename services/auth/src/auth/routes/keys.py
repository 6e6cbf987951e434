# SPDX-License-Identifier: Apache-2.0
"""The key set, for the gateway, the services, and whoever else checks our tokens."""

from apiflask import APIBlueprint
from flask import Response, current_app, jsonify

from auth.schemas import KeySetShown
from common.access import public
from common.tokens import KEYS_FRESH_SECONDS

blueprint = APIBlueprint("keys", __name__)


@blueprint.get("/.well-known/jwks.json")
@public
@blueprint.output(KeySetShown)
def get_key_set() -> Response:
    """Read the keys with which access tokens are checked."""
    response = jsonify(current_app.extensions["access_tokens"].key_set())
    response.headers["Cache-Control"] = f"public, max-age={KEYS_FRESH_SECONDS}"
    return response
