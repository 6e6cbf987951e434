# SPDX-License-Identifier: Apache-2.0
"""HTTP in, one question to the accounts, HTTP out. One file for each surface."""

import re

from flask import Response, current_app

from auth.accounts import Accounts
from auth.errors import UserNotFound

USER_ID = re.compile(r"[0-9]{1,18}")


def accounts() -> Accounts:
    """The current application's accounts."""
    found: Accounts = current_app.extensions["accounts"]
    return found


def keep_private(response: Response) -> Response:
    """Tokens and people's data are nobody's to store; for ``blueprint.after_request``."""
    response.headers["Cache-Control"] = "no-store"
    return response


def user_id_in(ref: str) -> int:
    """The id in a path.

    Raises:
        UserNotFound: Nobody can have this one; it may not even fit the column.
    """
    if not USER_ID.fullmatch(ref):
        raise UserNotFound
    return int(ref)
