# SPDX-License-Identifier: Apache-2.0
"""Rotations as operators ask for them: keys are made and sealed, then the table decides."""

from collections.abc import Sequence
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from auth import queries
from auth.commands.keys import NewKey, retire_key, rotate_keys
from auth.config import KeySettings
from auth.errors import KeysSealedOtherwise
from auth.keys import Signer, read_private_key
from auth.models import SigningKey
from auth.sealing import Seal, SealBroken
from common.db import Database


class Rotation:
    """Changes the keys that sign access tokens, in a shop that runs.

    Args:
        settings: Auth's own; *secret_key* is auth's ``SECRET_KEY``.
    """

    def __init__(self, settings: KeySettings, secret_key: str, database: Database) -> None:
        first = Signer.of(read_private_key(settings.jwt_private_key.get_secret_value()))
        self._first = NewKey(kid=first.kid, public_key=_public(first))
        self._seal = Seal(secret_key)
        self._database = database
        self._lead_seconds = settings.key_lead_seconds
        self._token_seconds = max(settings.access_token_seconds, settings.guest_token_seconds)

    def keys(self) -> tuple[datetime, Sequence[SigningKey]]:
        """The database's time, and the keys; none before the first rotation."""
        return self._database.read(queries.signing_keys)

    def rotate(self) -> SigningKey:
        """Show a new key now; it signs when everybody has heard of it.

        Raises:
            KeyPending: The last rotation is not over.
            KeysSealedOtherwise: The services have another ``SECRET_KEY`` than we.
        """
        self._must_open_what_is_there()
        return self._database.run(
            rotate_keys,
            first=self._first,
            successor=self._made(),
            lead_seconds=self._lead_seconds,
            token_seconds=self._token_seconds,
        )

    def retire(self, number: int) -> SigningKey:
        """End a key and all tokens that it signed now; returns the key that signs then.

        Raises:
            KeyUnknown: There is no such key, or not any more.
        """
        return self._database.run(
            retire_key, number=number, first=self._first, successor=self._made()
        )

    def _made(self) -> NewKey:
        signer = Signer.new()
        return NewKey(
            kid=signer.kid, public_key=_public(signer), private_key=self._seal.close(signer)
        )

    def _must_open_what_is_there(self) -> None:
        now, keys = self.keys()
        for key in keys:
            if key.private_key is not None and not key.is_retired(now):
                try:
                    self._seal.open(key.kid, key.private_key)
                except SealBroken as error:
                    raise KeysSealedOtherwise(key.kid) from error


def _public(signer: Signer) -> str:
    pem = signer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()
