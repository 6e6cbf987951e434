# SPDX-License-Identifier: Apache-2.0
"""Auth's settings. The private key and the limits of log-ins are its own."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from auth.keys import read_private_key, read_public_keys
from auth.names import EmailAddress, Username
from auth.passwords import Password
from common.settings import DatabaseSettings, ServiceSettings
from common.tokens import KEYS_FRESH_SECONDS

SHORTEST_LEAD_SECONDS = 10
"""A key that is not known is asked for again within five seconds, and auth itself knows in two."""


def _is_private_key(pem: SecretStr) -> SecretStr:
    read_private_key(pem.get_secret_value())
    return pem


def _are_public_keys(pems: str) -> str:
    read_public_keys(pems)
    return pems


class KeySettings(DatabaseSettings):
    """What a rotation needs to know, too.

    Attributes:
        jwt_private_key: PEM of the P-256 key that signs access tokens until the first rotation;
            usually given as ``JWT_PRIVATE_KEY_FILE``.
        key_lead_seconds: How long a new key is shown before it signs. Whoever checks tokens keeps
            keys for a minute, and must know it by then even if auth did not answer once.
        guest_token_seconds: Life of a guest's one access token.
    """

    jwt_private_key: Annotated[SecretStr, AfterValidator(_is_private_key)]
    key_lead_seconds: int = Field(default=2 * KEYS_FRESH_SECONDS, ge=SHORTEST_LEAD_SECONDS)
    access_token_seconds: int = Field(default=600, ge=1, le=3600)
    guest_token_seconds: int = Field(default=24 * 3600, ge=60)


class Config(KeySettings, ServiceSettings):
    """What auth needs to know.

    Attributes:
        jwt_previous_public_keys: PEMs, one after the other, of keys that signed until lately: their
            tokens stay good until they expire. ``JWT_PREVIOUS_PUBLIC_KEYS_FILE`` works too.
        refresh_token_seconds: Life of a session that nobody uses; each refresh begins it anew.
        refresh_grace_seconds: How long a used refresh token still gives its successor, for a client
            that asked twice at once or missed the answer.
        steady_token_seconds: Life of the refresh tokens that do not rotate, S2's.
        open_store: Whether strangers may sell in the name of the built-in seller ``store``, S3's;
            then this seller is made sure to exist.
        login_free_failures: Failed log-ins in a row before an account has to wait.
        hashing_at_once: Passwords that are hashed at the same time in one process; each takes
            19 MiB and a processor.
        hashing_wait_seconds: How long a request waits for its turn at that before it gets 503.
    """

    http_port: int = 9101
    worker_port: int = 9201
    jwt_previous_public_keys: Annotated[str, AfterValidator(_are_public_keys)] = ""
    refresh_token_seconds: int = Field(default=30 * 24 * 3600, ge=60)
    refresh_grace_seconds: int = Field(default=10, ge=0, le=60)
    steady_token_seconds: int = Field(default=7 * 24 * 3600, ge=60)
    open_store: bool = False
    login_free_failures: int = Field(default=9, ge=1, le=100)
    hashing_at_once: int = Field(default=2, ge=1, le=64)
    hashing_wait_seconds: float = Field(default=5.0, gt=0, le=30)


class AdminConfig(Config):
    """What ``create-admin`` needs besides."""

    admin_username: Username
    admin_email: EmailAddress
    admin_password: Password
