# SPDX-License-Identifier: Apache-2.0
"""Refresh tokens that stay the same until they expire: S2's clients never get a second one.

They are JWTs, as those clients expect, and no table knows them. What ends them before their time is
the epoch of their user: whatever kills access tokens kills these.
"""

import hmac
from typing import Literal
from uuid import uuid4

import jwt
from pydantic import BaseModel, ConfigDict, Field

from auth.models import User
from common.clock import utcnow
from common.problems import TokenExpired, TokenInvalid
from common.tokens import FORM, REQUIRED

ALGORITHM = "HS256"
PURPOSE = b"auth: refresh tokens that do not rotate"
KIND: Literal["refresh"] = "refresh"


class SteadyToken(BaseModel):
    """What such a token says."""

    model_config = ConfigDict(strict=True, frozen=True)

    sub: str = Field(pattern=r"^[1-9][0-9]{0,17}$")
    typ: Literal["refresh"]
    epoch: int

    @property
    def user_id(self) -> int:
        return int(self.sub)


class SteadyTokens:
    """Issues and reads them. Only auth can do either, and no one takes them for access tokens.

    Args:
        secret_key: Not used as it is: the key that signs is derived from it for this purpose only.
        seconds: How long a token is good.
    """

    def __init__(self, secret_key: str, *, issuer: str, seconds: int) -> None:
        self._key = hmac.digest(secret_key.encode(), PURPOSE, "sha256")
        self._issuer = issuer
        self._audience = f"{issuer}/refresh"
        self._seconds = seconds

    def issue(self, user: User) -> str:
        """A token for who *user* is now."""
        now = int(utcnow().timestamp())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(user.id),
            "typ": KIND,
            "epoch": user.token_epoch,
            "iat": now,
            "nbf": now,
            "exp": now + self._seconds,
            "jti": uuid4().hex,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def read(self, token: str) -> SteadyToken:
        """What *token* says; whether its epoch is still the user's, only the database knows.

        Raises:
            TokenExpired: It was good once.
            TokenInvalid: It never was.
        """
        if not FORM.fullmatch(token):
            raise TokenInvalid
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                options={"require": REQUIRED, "strict_aud": True},
            )
            return SteadyToken.model_validate(claims)
        except jwt.ExpiredSignatureError as error:
            raise TokenExpired from error
        except (jwt.PyJWTError, ValueError) as error:
            raise TokenInvalid from error
