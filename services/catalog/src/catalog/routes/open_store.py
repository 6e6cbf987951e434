# SPDX-License-Identifier: Apache-2.0
"""S3 had no log-in. An open store takes requests without a token as the built-in seller's."""

import time
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import ParamSpec, TypeVar

from flask import current_app, g, request

from common.access import requires
from common.context import set_actor
from common.http import Client
from common.logs import get_logger
from common.problems import Unavailable
from common.tokens import Identity

P = ParamSpec("P")
R = TypeVar("R")

log = get_logger(__name__)

KNOWN_SECONDS = 60


class OpenStore:
    """Knows who the built-in seller is: a plain user, whatever role the account may have.

    Args:
        auth: Where the account ``store`` lives; asked once a minute at most.
    """

    def __init__(self, auth: Client) -> None:
        self._auth = auth
        self._known: tuple[Identity, float] | None = None

    def seller(self) -> Identity:
        """The built-in seller.

        Raises:
            Unavailable: Auth doesn't answer, or has no such account.
        """
        if self._known is None or time.monotonic() - self._known[1] > KNOWN_SECONDS:
            self._known = (self._ask(), time.monotonic())
        return self._known[0]

    def _ask(self) -> Identity:
        answer = self._auth.get("/internal/users/store")
        if answer.status != HTTPStatus.OK:
            log.error("store_seller_unknown", status=answer.status)
            raise Unavailable
        account = answer.json()
        return Identity(
            user_id=account["id"],
            username=account["username"],
            role="user",
            epoch=0,
            expires_at=0,
        )


def sellers(view: Callable[P, R]) -> Callable[P, R]:
    """Any signed-in user may call; without a token the built-in seller does, if the store is open.

    A token that is sent counts, even where it is not good: its owner wants to know.
    """
    signed_in = requires()(view)

    @wraps(view)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        store: OpenStore | None = current_app.extensions["open_store"]
        has_token = "Authorization" in request.headers or "Autorization" in request.headers
        if store is None or has_token:
            return signed_in(*args, **kwargs)
        g.identity = store.seller()
        set_actor(g.identity.actor)
        return view(*args, **kwargs)

    wrapper.access = "public"  # type: ignore[attr-defined]
    return wrapper
