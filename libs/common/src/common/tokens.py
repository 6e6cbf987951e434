# SPDX-License-Identifier: Apache-2.0
"""Tokens: how users' access tokens and services' own tokens are checked."""

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, get_args

import jwt
from jwt import PyJWK, PyJWKSet
from pydantic import BaseModel, ConfigDict, Field

from common.problems import TokenExpired, TokenInvalid, Unavailable

ALGORITHM = "ES256"
REQUIRED = ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"]
Role = Literal["admin", "user", "analyst"]
ROLES = frozenset(get_args(Role))
FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
"""Three parts without padding: a token has one spelling only."""
KEYS_FRESH_SECONDS = 60
KEYS_ASK_AGAIN_SECONDS = 5
REMEMBERED_TOKENS = 4096
SERVICE_AUDIENCE = "internal"
SERVICE_TOKEN_SECONDS = 60
REMEMBERED_SERVICE_TOKENS = 1024


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who asks, as a verified token says."""

    user_id: int
    username: str
    role: str
    epoch: int
    expires_at: int
    guest: bool = False

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"

    @property
    def actor(self) -> str:
        return f"user/{self.user_id}"


class KeySet:
    """Auth's public keys: fetched when needed, kept when auth is away.

    Args:
        fetch: Asks for the key set document; raises ``Unavailable``.
    """

    def __init__(self, fetch: Callable[[], dict[str, Any]]) -> None:
        self._fetch = fetch
        self._keys: dict[str, PyJWK] = {}
        self._fetched_at = float("-inf")
        self._asked_at = float("-inf")
        self._lock = threading.Lock()

    def key(self, kid: str) -> PyJWK:
        """The key with this id.

        Raises:
            TokenInvalid: Auth knows no such key.
            Unavailable: Nobody has told us any keys yet.
        """
        now = time.monotonic()
        if kid not in self._keys:
            with self._lock:
                self._refresh(now)
        elif now - self._fetched_at > KEYS_FRESH_SECONDS and self._lock.acquire(blocking=False):
            # One looks whether the key is still good; the others have it and need not wait.
            try:
                self._refresh(now)
            finally:
                self._lock.release()
        if not self._keys:
            raise Unavailable("The keys that tokens are checked with are not available yet.")
        if kid not in self._keys:
            raise TokenInvalid
        return self._keys[kid]

    def _refresh(self, now: float) -> None:
        # A flood of tokens with invented key ids must not become a flood of fetches.
        if self._keys and now - self._asked_at < KEYS_ASK_AGAIN_SECONDS:
            return
        self._asked_at = now
        try:
            keys = PyJWKSet.from_dict(self._fetch()).keys
        except (Unavailable, jwt.PyJWTError):
            return
        self._keys = {str(key.key_id): key for key in keys}
        self._fetched_at = now


class Verifier:
    """Checks users' access tokens.

    A token's signature is checked once and then remembered for as long as its key is good: the key
    may turn out to be in wrong hands.
    """

    def __init__(self, keys: KeySet, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._seen: OrderedDict[bytes, tuple[Identity, str]] = OrderedDict()
        self._lock = threading.Lock()

    def verify(self, token: str) -> Identity:
        """The identity in *token*.

        Raises:
            TokenExpired: It was good once.
            TokenInvalid: It never was.
            Unavailable: Nobody can tell, because the keys are not to be had.
        """
        digest = sha256(token.encode(errors="replace")).digest()
        with self._lock:
            known = self._seen.get(digest)
        if known is None:
            known = self._check(token)
            with self._lock:
                self._seen[digest] = known
                while len(self._seen) > REMEMBERED_TOKENS:
                    self._seen.popitem(last=False)
        identity, kid = known
        if identity.expires_at <= time.time():
            raise TokenExpired
        self._keys.key(kid)
        return identity

    def _check(self, token: str) -> tuple[Identity, str]:
        if not FORM.fullmatch(token):
            raise TokenInvalid
        try:
            header = jwt.get_unverified_header(token)
            # The algorithm is ours to name; a token that names another is not one of ours.
            if header.get("alg") != ALGORITHM or "crit" in header:
                raise TokenInvalid
            kid = str(header.get("kid"))
            claims = jwt.decode(
                token,
                self._keys.key(kid),
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                options={"require": REQUIRED, "strict_aud": True},
            )
            return _identity(claims), kid
        except jwt.ExpiredSignatureError as error:
            raise TokenExpired from error
        except (jwt.PyJWTError, ValueError, KeyError, TypeError) as error:
            raise TokenInvalid from error


class _Claims(BaseModel):
    """What an access token must say, to the type: the gateway refuses the rest too."""

    model_config = ConfigDict(strict=True, extra="ignore")

    sub: str = Field(pattern=r"^[1-9][0-9]{0,18}$")
    name: str = Field(min_length=1)
    role: Role
    typ: Literal["access"]
    epoch: int = Field(ge=0)
    iat: int
    nbf: int
    exp: int
    guest: bool = False


def _identity(claims: dict[str, Any]) -> Identity:
    said = _Claims.model_validate(claims)
    return Identity(
        user_id=int(said.sub),
        username=said.name,
        role=said.role,
        epoch=said.epoch,
        expires_at=said.exp,
        guest=said.guest,
    )


class ServiceTokens:
    """Issues and checks the tokens with which one service commands another."""

    def __init__(self, key: str, service: str) -> None:
        self._key = key
        self._service = service
        self._issued: tuple[float, str] = (0.0, "")
        self._accepted: dict[str, tuple[str, int]] = {}

    def issue(self) -> str:
        """A token for the next call; one is used for half its life."""
        issued_at, token = self._issued
        now = time.time()
        if now - issued_at > SERVICE_TOKEN_SECONDS / 2:
            claims = {
                "iss": self._service,
                "aud": SERVICE_AUDIENCE,
                "sub": f"service/{self._service}",
                "iat": int(now),
                "exp": int(now) + SERVICE_TOKEN_SECONDS,
            }
            token = jwt.encode(claims, self._key, algorithm="HS256")
            self._issued = (now, token)
        return token

    def verify(self, token: str) -> str:
        """The name of the service that calls.

        Its key is for good, so a token's signature is checked once; the clock always.

        Raises:
            TokenExpired, TokenInvalid: It is none.
        """
        known = self._accepted.get(token)
        if known is None:
            known = self._check(token)
            if len(self._accepted) >= REMEMBERED_SERVICE_TOKENS:
                self._accepted.clear()
            self._accepted[token] = known
        caller, expires_at = known
        if expires_at <= time.time():
            raise TokenExpired
        return caller

    def _check(self, token: str) -> tuple[str, int]:
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                audience=SERVICE_AUDIENCE,
                options={"require": ["iss", "aud", "sub", "iat", "exp"], "strict_aud": True},
            )
            return str(claims["iss"]), int(claims["exp"])
        except jwt.ExpiredSignatureError as error:
            raise TokenExpired from error
        except (jwt.PyJWTError, ValueError) as error:
            raise TokenInvalid from error
