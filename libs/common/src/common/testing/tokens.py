# SPDX-License-Identifier: Apache-2.0
"""Access tokens as auth would sign them, by a key that lives as long as the test run."""

import json
import time
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from redis import RedisError

from common.access import Epochs, Guard
from common.tokens import KeySet, ServiceTokens, Verifier


class _NoRedis:
    def get(self, _key: str) -> bytes:
        raise RedisError("tests ask the truth")


class TokenFactory:
    """Signs tokens, and makes guards that trust them.

    Attributes:
        epochs: The truth about users' epochs; 0 for those not named.
    """

    kid = "test-key"

    def __init__(self, service_key: str) -> None:
        self.private_key = ec.generate_private_key(ec.SECP256R1())
        self.epochs: dict[int, int | None] = {}
        self._service_key = service_key

    def key_set(self) -> dict[str, Any]:
        public = json.loads(ECAlgorithm.to_jwk(self.private_key.public_key()))
        return {"keys": [public | {"kid": self.kid, "use": "sig", "alg": "ES256"}]}

    def token(
        self,
        user_id: int = 1,
        username: str = "ada",
        role: str = "user",
        *,
        headers: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A good token, unless *claims* or *headers* make it a bad one."""
        now = int(time.time())
        good = {
            "iss": "souk",
            "aud": "souk",
            "sub": str(user_id),
            "name": username,
            "role": role,
            "typ": "access",
            "epoch": 0,
            "iat": now,
            "nbf": now,
            "exp": now + 600,
            "jti": uuid4().hex,
        }
        return jwt.encode(
            good | claims,
            self.private_key,
            algorithm="ES256",
            headers={"kid": self.kid} | (headers or {}),
        )

    def bearer(self, user_id: int = 1, username: str = "ada", role: str = "user") -> dict[str, str]:
        """The headers of a signed-in request."""
        return {"Authorization": f"Bearer {self.token(user_id, username, role)}"}

    def service_bearer(self, service: str) -> dict[str, str]:
        """The headers of another service's request."""
        token = ServiceTokens(self._service_key, service).issue()
        return {"Authorization": f"Bearer {token}"}

    def guard(self, service: str) -> Guard:
        """A guard that trusts this factory's tokens and knows its epochs."""
        verifier = Verifier(KeySet(self.key_set), issuer="souk", audience="souk")
        epochs = Epochs(_NoRedis(), lambda user_id: self.epochs.get(user_id, 0))
        return Guard(verifier, epochs, ServiceTokens(self._service_key, service))
