# SPDX-License-Identifier: Apache-2.0
"""The key set, for the gateway, the services, and whoever else checks our tokens."""

from apiflask import APIBlueprint
from flask import Response, current_app, jsonify

from common.access import public
from common.tokens import KEYS_FRESH_SECONDS

blueprint = APIBlueprint("keys", __name__)


@blueprint.get("/.well-known/jwks.json")
@public
def get_key_set() -> Response:
    response = jsonify(current_app.extensions["access_tokens"].key_set())
    response.headers["Cache-Control"] = f"public, max-age={KEYS_FRESH_SECONDS}"
    return response
