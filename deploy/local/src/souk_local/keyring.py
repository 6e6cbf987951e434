# SPDX-License-Identifier: Apache-2.0
"""The secrets of one stack: made once, kept in files that only their owner reads."""

import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from souk_local.servers.server import write_private

SERVICES = ("auth", "catalog", "orders", "notifier", "analytics")
GATEWAY = "gateway"
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"


@dataclass(frozen=True, kw_only=True)
class Keyring:
    """Every secret of the stack; nothing of it is shown by accident.

    Attributes:
        database: passwords by schema; broker: by user; signing: each service's SECRET_KEY.
        view_log: the key under which the shipper hashes viewers.
    """

    database_root: str = field(repr=False)
    database: dict[str, str] = field(repr=False)
    broker: dict[str, str] = field(repr=False)
    broker_operator: str = field(repr=False)
    redis: str = field(repr=False)
    service_token: str = field(repr=False)
    signing: dict[str, str] = field(repr=False)
    view_log: str = field(repr=False)
    jwt_private_key: str = field(repr=False)
    admin_password: str = field(repr=False)
    demo_password: str = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        return cls(
            database_root=_key(),
            database=_keys(SERVICES),
            broker=_keys([*SERVICES, GATEWAY]),
            broker_operator=_key(),
            redis=_key(),
            service_token=_key(),
            signing=_keys(SERVICES),
            view_log=_key(),
            jwt_private_key=_private_key(),
            admin_password=_readable_password(),
            demo_password=_readable_password(),
        )

    @classmethod
    def of(cls, directory: Path) -> Self:
        """The secrets of the stack in *directory*, made at the first call.

        A file of an older version keeps what it has and gets what it lacks.
        """
        path = directory / "secrets.json"
        stored = json.loads(path.read_text()) if path.exists() else {}
        values = asdict(cls.generate()) | stored
        if values != stored:
            write_private(path, json.dumps(values, indent=2) + "\n")
        keyring = cls(**values)
        write_private(cls.private_key_file(directory), keyring.jwt_private_key)
        return keyring

    @staticmethod
    def private_key_file(directory: Path) -> Path:
        """The PEM file that auth signs access tokens with."""
        return directory / "jwt-private-key.pem"


def _key() -> str:
    return secrets.token_hex(32)


def _keys(owners: Iterable[str]) -> dict[str, str]:
    return {owner: _key() for owner in owners}


def _private_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _readable_password() -> str:
    """Four words of two syllables: about 49 bits that can be read out and typed."""
    syllables = [secrets.choice(CONSONANTS) + secrets.choice(VOWELS) for _ in range(8)]
    return "-".join(a + b for a, b in zip(syllables[::2], syllables[1::2], strict=True))
