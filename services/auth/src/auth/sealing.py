# SPDX-License-Identifier: Apache-2.0
"""Private keys at rest: a copy of the database alone signs nothing."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from auth.keys import Signer

PURPOSE = b"auth: signing keys at rest"
KEY_BYTES = 32
NONCE_BYTES = 12


class SealBroken(Exception):
    """It was sealed under another secret, for another key, or was damaged."""


class Seal:
    """Closes and opens private keys.

    Args:
        secret_key: Not used as it is: the key that encrypts is derived for this purpose only.
    """

    def __init__(self, secret_key: str) -> None:
        derived = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=PURPOSE)
        self._cipher = AESGCM(derived.derive(secret_key.encode()))

    def close(self, signer: Signer) -> bytes:
        """The private key, encrypted and bound to its name."""
        octets = signer.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, octets, signer.kid.encode())

    def open(self, kid: str, sealed: bytes) -> Signer:
        """The key that was closed under this name.

        Raises:
            SealBroken: This is not its seal.
        """
        nonce, encrypted = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            octets = self._cipher.decrypt(nonce, encrypted, kid.encode())
        except (InvalidTag, ValueError) as error:
            raise SealBroken from error
        key = load_der_private_key(octets, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return Signer(kid, key)
