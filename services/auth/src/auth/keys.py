# SPDX-License-Identifier: Apache-2.0
"""The key that signs access tokens, and the key set with which everybody else checks them."""

import base64
import re
import time
from hashlib import sha256
from typing import Any
from uuid import uuid4

import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from auth.models import User
from common.tokens import ALGORITHM

COORDINATE_BYTES = 32
PUBLIC_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


def read_private_key(pem: str) -> ec.EllipticCurvePrivateKey:
    """Read the signing key.

    Raises:
        ValueError: It is anything but an unencrypted private key on P-256.
    """
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("must be an unencrypted private key in PEM") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not _on_p256(key.curve):
        raise ValueError("must be a key on the curve P-256 (prime256v1)")
    return key


def read_public_keys(pems: str) -> list[ec.EllipticCurvePublicKey]:
    """Read any number of public keys, one PEM after the other.

    Raises:
        ValueError: There is something else among them.
    """
    keys = []
    for pem in PUBLIC_PEM.findall(pems):
        try:
            key = load_pem_public_key(pem.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ValueError("must be public keys in PEM") from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or not _on_p256(key.curve):
            raise ValueError("must be keys on the curve P-256 (prime256v1)")
        keys.append(key)
    if PUBLIC_PEM.sub("", pems).strip():
        raise ValueError("must be public keys in PEM and nothing else")
    return keys


def _on_p256(curve: ec.EllipticCurve) -> bool:
    return isinstance(curve, ec.SECP256R1)


def public_jwk(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """A key as the key set shows it; its id is its RFC 7638 thumbprint."""
    numbers = key.public_numbers()
    # The thumbprint's members, in their order, and nothing else.
    needed = {"crv": "P-256", "kty": "EC", "x": _base64(numbers.x), "y": _base64(numbers.y)}
    return needed | {
        "kid": _base64url(sha256(orjson.dumps(needed)).digest()),
        "use": "sig",
        "alg": ALGORITHM,
    }


def _base64(coordinate: int) -> str:
    return _base64url(coordinate.to_bytes(COORDINATE_BYTES, "big"))


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


class AccessTokens:
    """Issues access tokens, and says with which keys they are checked.

    Args:
        private_key: PEM of the key that signs.
        previous_public_keys: PEMs of keys that signed before it.
        seconds: How long a token is good.
        guest_seconds: How long a guest's is: nobody can log in to get the next one.
    """

    def __init__(
        self,
        private_key: str,
        *,
        previous_public_keys: str = "",
        issuer: str,
        audience: str,
        seconds: int,
        guest_seconds: int = 24 * 3600,
    ) -> None:
        self._key = read_private_key(private_key)
        self._issuer = issuer
        self._audience = audience
        self.seconds = seconds
        self._guest_seconds = guest_seconds
        keys = [self._key.public_key(), *read_public_keys(previous_public_keys)]
        self._public = [public_jwk(key) for key in keys]

    def key_set(self) -> dict[str, Any]:
        """The key set document: the signing key first, then those before it."""
        return {"keys": self._public}

    def issue(self, user: User) -> str:
        """A token that says who *user* is now."""
        now = int(time.time())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(user.id),
            "role": user.role,
            "name": user.username,
            "typ": "access",
            "epoch": user.token_epoch,
            "iat": now,
            "nbf": now,
            "exp": now + (self._guest_seconds if user.guest else self.seconds),
            "jti": uuid4().hex,
        }
        if user.guest:
            claims["guest"] = True
        headers = {"kid": self._public[0]["kid"]}
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers=headers)
