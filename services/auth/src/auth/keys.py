# SPDX-License-Identifier: Apache-2.0
"""Keys: how they are read and shown, and the access tokens that they sign."""

import base64
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from common.tokens import ALGORITHM

if TYPE_CHECKING:
    # The settings read keys, and are there before anything that knows a database.
    from auth.models import User

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


@dataclass(frozen=True)
class Signer:
    """A private key under its name in the key set."""

    kid: str
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def of(cls, key: ec.EllipticCurvePrivateKey) -> "Signer":
        return cls(public_jwk(key.public_key())["kid"], key)

    @classmethod
    def new(cls) -> "Signer":
        return cls.of(ec.generate_private_key(ec.SECP256R1()))


class Keys(Protocol):
    """Which key signs now, and which ones tokens are checked with."""

    def signing(self) -> Signer: ...

    def public(self) -> Sequence[dict[str, str]]: ...


class EnvironmentKeys:
    """The keys that the settings name. They sign until the first rotation.

    Args:
        private_key: PEM of the key that signs.
        previous_public_keys: PEMs of keys that signed before it.
    """

    def __init__(self, private_key: str, previous_public_keys: str = "") -> None:
        self._signer = Signer.of(read_private_key(private_key))
        keys = [self._signer.key.public_key(), *read_public_keys(previous_public_keys)]
        self._public = [public_jwk(key) for key in keys]

    def signing(self) -> Signer:
        return self._signer

    def public(self) -> list[dict[str, str]]:
        return self._public


class AccessTokens:
    """Issues access tokens, and says with which keys they are checked.

    Args:
        seconds: How long a token is good.
        guest_seconds: How long a guest's is: nobody can log in to get the next one.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        issuer: str,
        audience: str,
        seconds: int,
        guest_seconds: int = 24 * 3600,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self.seconds = seconds
        self._guest_seconds = guest_seconds

    def key_set(self) -> dict[str, Any]:
        """The key set document.

        Raises:
            Unavailable: Nobody knows yet which keys there are.
        """
        return {"keys": list(self._keys.public())}

    def issue(self, user: "User") -> str:
        """A token that says who *user* is now.

        Raises:
            Unavailable: No key can sign.
        """
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
        signer = self._keys.signing()
        return jwt.encode(claims, signer.key, algorithm=ALGORITHM, headers={"kid": signer.kid})
