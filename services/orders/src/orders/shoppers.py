# SPDX-License-Identifier: Apache-2.0
"""Whose cart and orders a request on the seed surfaces may touch.

S3 has no authentication of its own, and ours is closed: the customer's token, or an admin's. Where
``OPEN_STORE`` is set, a request without any token may touch what belongs to a guest.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import request

from common.access import public, requires, visitor
from common.app import database
from common.context import set_actor
from common.problems import Forbidden, TokenMissing
from orders import queries
from orders.catalog import MOST_ID
from orders.current import auth, config
from orders.errors import CustomerNotFound

P = ParamSpec("P")
R = TypeVar("R")


def shoppers(view: Callable[P, R]) -> Callable[P, R]:
    """Any signed-in user may call; where the store is open, also a request without a token.

    A token that is sent must be good: who shows a bad one is told so, and is not a stranger.
    """
    signed_in, anybody = requires()(view), public(view)

    @wraps(view)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        has_token = "Authorization" in request.headers or "Autorization" in request.headers
        if has_token or not config().open_store:
            return signed_in(*args, **kwargs)
        set_actor("guest")
        return anybody(*args, **kwargs)

    wrapper.access = "public"  # type: ignore[attr-defined]
    return wrapper


def customer_of(customer_id: int) -> int:
    """The customer whose cart and orders this request is about, if it may touch them.

    Raises:
        TokenMissing: A stranger asks for a customer with a password.
        Forbidden: A user asks for somebody else.
        CustomerNotFound: A stranger or an admin asks for nobody, or for a deleted customer.
        Unavailable: Nobody knows whether there is such a customer.
    """
    asking = visitor()
    if asking is None:
        if not _is_guest(customer_id):
            raise TokenMissing
    elif asking.user_id != customer_id:
        if not asking.is_admin:
            raise Forbidden
        _is_guest(customer_id)
    return customer_id


def _is_guest(customer_id: int) -> bool:
    """Whether a customer who exists is a guest. Auth is asked about those of whom we never heard.

    Raises:
        CustomerNotFound, Unavailable: See ``customer_of``.
    """
    if not 0 < customer_id <= MOST_ID:
        raise CustomerNotFound
    known = database().read(queries.customer_by_id, customer_id)
    if known is not None:
        if known.is_deleted:
            raise CustomerNotFound
        return known.is_guest
    user = auth().user(customer_id)
    if user is None:
        raise CustomerNotFound
    return user.guest
