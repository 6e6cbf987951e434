# SPDX-License-Identifier: Apache-2.0
"""Who may call a route. Every view carries one of three marks; a test refuses one without."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from flask import current_app, g, request
from pybreaker import CircuitBreaker, CircuitBreakerError
from redis import ConnectionError as ConnectionLost
from redis import Redis, RedisError

from common.context import set_actor
from common.problems import (
    Forbidden,
    TokenInvalid,
    TokenMissing,
    Unauthenticated,
    Unavailable,
)
from common.recent_writers import RecentWriters
from common.tokens import Identity, ServiceTokens, Verifier

P = ParamSpec("P")
R = TypeVar("R")

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
READS_MAY_LAG_SECONDS = 20
"""With the gateway's cached verdict on top, a dead token reads for less than thirty seconds."""
REMEMBERED_USERS = 10_000
REDIS_SECONDS = 0.25
TOKEN_HEADERS = ("HTTP_AUTHORIZATION", "HTTP_AUTORIZATION")


class Copies(Protocol):
    """What Redis, or who asks it for us, has under a name."""

    def get(self, name: str, /) -> Any: ...


class Epochs:
    """Whether a token is still good: demotion, deletion and logout-all raise the user's epoch.

    Auth's database holds the truth. Redis holds a copy that only auth writes; where it says
    anything but the token's own epoch, or nothing, auth is asked.

    Args:
        ask: The user's epoch as auth's database has it, None for a user who is gone; raises
            ``Unavailable``.
    """

    def __init__(self, copies: Copies, ask: Callable[[int], int | None]) -> None:
        self._copies = copies
        self._breaker = CircuitBreaker(fail_max=3, reset_timeout=1)
        self._ask = ask
        self._known: dict[int, tuple[int, float]] = {}

    def must_hold(self, identity: Identity, *, at_once: bool) -> None:
        """Refuse a token whose user was demoted, deleted or logged out everywhere.

        Args:
            at_once: For writes; a read may trust what was true a moment ago.

        Raises:
            TokenInvalid: The token is dead.
            Unavailable: Nobody knows, and that is not a yes.
        """
        now = time.monotonic()
        epoch, asked_at = self._known.get(identity.user_id, (-1, 0.0))
        if not at_once and epoch == identity.epoch and now - asked_at < READS_MAY_LAG_SECONDS:
            return
        if self._copy(identity.user_id) != identity.epoch:
            truth = self._ask(identity.user_id)
            if truth != identity.epoch:
                raise TokenInvalid("The token was revoked; log in again.")
        if len(self._known) >= REMEMBERED_USERS:
            self._known.clear()
        self._known[identity.user_id] = (identity.epoch, now)

    def _copy(self, user_id: int) -> int | None:
        try:
            # Not ``call``: that holds the breaker's lock until Redis has answered.
            with self._breaker.calling():
                value = self._copies.get(epoch_key(user_id))
        except (RedisError, CircuitBreakerError):
            return None
        return int(value) if value and value.isdigit() else None


def epoch_key(user_id: int) -> str:
    """Where Redis keeps the copy of a user's epoch: a number, or ``?`` while auth changes it."""
    return f"epoch:{user_id}"


def connect_redis(url: str) -> Redis:
    """A client that would rather fail than wait."""
    return Redis.from_url(
        url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS, retry=None
    )


class Reader:
    """Asks Redis for single values on connections of its own, at less than half a client's price.

    The client asks the system about each connection before it lends it, and counts what it lends.
    Here one that has been closed is found out by its failure, and another one takes its place.
    """

    def __init__(self, redis: Redis) -> None:
        pool = redis.connection_pool
        # The client has no types below itself.
        self._connect: Callable[[], Any] = lambda: pool.connection_class(**pool.connection_kwargs)
        self._idle: list[Any] = []

    def get(self, name: str, /) -> Any:
        """The value, or None.

        Raises:
            RedisError: Redis is away, or too slow.
        """
        while True:
            try:
                connection, is_new = self._idle.pop(), False
            except IndexError:
                connection, is_new = self._connect(), True
            try:
                connection.send_command("GET", name)
                value = connection.read_response()
            except ConnectionLost:
                connection.disconnect()
                if is_new:
                    raise
            except BaseException:
                # What is left of an answer must not be taken for the next one.
                connection.disconnect()
                raise
            else:
                self._idle.append(connection)
                return value


class Guard:
    """What a service needs to know who asks."""

    def __init__(self, verifier: Verifier, epochs: Epochs, service_tokens: ServiceTokens) -> None:
        self._verifier = verifier
        self._epochs = epochs
        self._service_tokens = service_tokens

    def visitor(self) -> Identity | None:
        """The signed-in user, or None for a request without a usable token.

        Where nobody can tell whether a token holds, its bearer is a stranger: a public page must
        not go down with auth.
        """
        try:
            return self.user()
        except (Unauthenticated, Unavailable):
            return None

    def user(self) -> Identity:
        """The signed-in user.

        Raises:
            Unauthenticated: There is none.
        """
        identity = self._verifier.verify(bearer_token())
        self._epochs.must_hold(identity, at_once=request.method not in SAFE_METHODS)
        return identity

    def service(self) -> str:
        """The calling service's name.

        Raises:
            Unauthenticated: It is none of ours.
        """
        return self._service_tokens.verify(bearer_token())


def bearer_token() -> str:
    """The request's token, with or without ``Bearer``, also under the name that one seed misspells.

    Raises:
        TokenMissing: There is none.
    """
    value = request.headers.get("Authorization") or request.headers.get("Autorization") or ""
    scheme, _, token = value.strip().rpartition(" ")
    if not token or scheme.strip().lower() not in {"", "bearer"}:
        raise TokenMissing
    return token.strip()


def carries_token() -> bool:
    """Whether the request says who it is from, be it true or not."""
    return not request.environ.keys().isdisjoint(TOKEN_HEADERS)


def _guard() -> Guard:
    guard: Guard = current_app.extensions["guard"]
    return guard


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Anybody may call; a good token still tells who it is."""

    @wraps(view)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        g.identity = None
        if carries_token():
            g.identity = _guard().visitor()
        else:
            _choose_reads(None)
        if g.identity is not None:
            _act_as(g.identity.actor)
        return view(*args, **kwargs)

    wrapper.access = "public"  # type: ignore[attr-defined]
    return wrapper


def requires(*roles: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Any signed-in user may call, or only those with one of *roles*."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            g.identity = _guard().user()
            if roles and g.identity.role not in roles:
                raise Forbidden
            _act_as(g.identity.actor)
            return view(*args, **kwargs)

        wrapper.access = ",".join(roles) or "user"  # type: ignore[attr-defined]
        return wrapper

    return decorate


def internal(view: Callable[P, R]) -> Callable[P, R]:
    """Only other services may call. The actor is the user in whose name they do."""

    @wraps(view)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        caller = _guard().service()
        actor = request.headers.get("X-Souk-Actor") or f"service/{caller}"
        set_actor(actor)
        # What services ask each other is what somebody decides on: they read from the primary.
        if (writers := _writers()) and request.method not in SAFE_METHODS:
            writers.note(actor)
        return view(*args, **kwargs)

    wrapper.access = "internal"  # type: ignore[attr-defined]
    return wrapper


def _act_as(actor: str) -> None:
    set_actor(actor)
    _choose_reads(actor)


def _choose_reads(actor: str | None) -> None:
    """Decide once for a request whether its reads may be a moment old; see ``recent_writers``."""
    if writers := _writers():
        writes = request.method not in SAFE_METHODS
        g.reads_may_lag = writers.may_lag(actor, writes=writes)


def _writers() -> RecentWriters | None:
    found: RecentWriters | None = current_app.extensions.get("recent_writers")
    return found


def identity() -> Identity:
    """The signed-in user of this request, behind ``requires``."""
    known: Identity | None = g.identity
    if known is None:
        raise TokenMissing
    return known


def visitor() -> Identity | None:
    """The signed-in user of this request, if any, behind ``public``."""
    known: Identity | None = g.identity
    return known
