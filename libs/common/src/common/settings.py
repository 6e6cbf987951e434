# SPDX-License-Identifier: Apache-2.0
"""Settings come from the environment, are read once, and refuse to start when wrong."""

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

SHORTEST_SECRET = 32
FEWEST_DIFFERENT_CHARACTERS = 10


def _strong(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if len(text) < SHORTEST_SECRET or len(set(text)) < FEWEST_DIFFERENT_CHARACTERS:
        raise ValueError(
            f"must have at least {SHORTEST_SECRET} characters, "
            f"{FEWEST_DIFFERENT_CHARACTERS} of them different"
        )
    return secret


Secret = Annotated[SecretStr, AfterValidator(_strong)]
"""A key that somebody could forge things with: long, and never shown."""


def is_whole(url: str) -> bool:
    """Whether who is to use *url* finds no piece of its password where a host or a port is."""
    if url.startswith("mysql"):
        # For SQLAlchemy a password ends at the first @, and may have any other character.
        place = re.split("[/?]", url.partition("://")[2].partition("@")[2])[0]
        if "@" in place:
            return False
        url = f"mysql://{place}"
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _whole(url: SecretStr) -> SecretStr:
    if not is_whole(url.get_secret_value()):
        raise ValueError(SPOILT)
    return url


SPOILT = "is no address; in a password write %2F for /, %23 for #, %3F for ? and %40 for @"
Address = Annotated[SecretStr, AfterValidator(_whole)]
"""A URL with a password in it. One that is not whole would show a piece of that in an error."""


class _SecretFiles(PydanticBaseSettingsSource):
    """``X_FILE`` names the file that holds ``X``, as orchestrators hand out secrets."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        for name in _names(field, field_name):
            if path := os.environ.get(f"{name}_FILE"):
                return Path(path).read_text().strip(), field_name, False
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                values[key] = value
        return values


def _names(field: FieldInfo, field_name: str) -> Iterable[str]:
    """What a setting is called in the environment: our name first, then the seeds'."""
    alias = field.validation_alias
    others = alias.choices if isinstance(alias, AliasChoices) else [alias or field_name]
    return dict.fromkeys(str(name).upper() for name in (field_name, *others))


class Settings(BaseSettings):
    """What every process needs to know about its surroundings."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True
    )

    log_level: str = "info"
    worker_host: str = "127.0.0.1"
    worker_port: int = 9200

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is given
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SecretFiles(settings_cls), dotenv_settings

    @classmethod
    def load(cls, *, env_file: Path | None = None) -> Self:
        """Read the environment, or end the process with every fault named in one message.

        The message names settings and what is wrong with them, never a value.

        Args:
            env_file: Says what the environment does not.
        """
        try:
            return cls(_env_file=env_file)  # type: ignore[call-arg] # pydantic-settings adds it
        except ValidationError as error:
            faults = [
                f"  {'.'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
                for fault in error.errors(include_input=False, include_url=False)
            ]
            sys.exit(
                f"{cls.__module__}: these settings are missing or wrong:\n" + "\n".join(faults)
            )
        except OSError as error:
            sys.exit(f"{cls.__module__}: a secret's file can't be read: {error.filename}")


class DatabaseSettings(Settings):
    """A process with a schema of its own."""

    database_url: Address = Field(
        validation_alias=AliasChoices("database_url", "DATABASE_URL", "DB_URI")
    )
    database_pool_size: int = Field(default=8, ge=1, le=64)
    database_pool_wait_seconds: float = Field(default=2.0, gt=0)
    database_lock_wait_seconds: int = Field(default=3, ge=1, le=50)
    database_read_seconds: float = Field(default=10.0, gt=0)
    database_replica_url: Address | None = None
    # The gateway remembers for so long who has written.
    replica_most_lag_seconds: float = Field(default=3.0, ge=2, le=5)


class ServiceSettings(DatabaseSettings):
    """A service: a web process that answers and a worker that talks to the broker."""

    amqp_url: Address
    redis_url: Address
    http_host: str = "127.0.0.1"
    http_port: int = 9100
    web_workers: int = Field(default=1, ge=1)
    web_threads: int = Field(default=8, ge=1)
    auth_url: str = "http://127.0.0.1:9101"
    jwks_url: str = "http://127.0.0.1:9101/.well-known/jwks.json"
    token_issuer: str = "souk"  # noqa: S105 - a name, not a token
    token_audience: str = "souk"  # noqa: S105
    service_token_key: Secret
    secret_key: Secret = Field(
        validation_alias=AliasChoices("secret_key", "SECRET_KEY", "JWT_SECRET_KEY")
    )
    currency: str = Field(default="USD", pattern="^[A-Z]{3}$")
    otel_exporter_otlp_endpoint: str | None = None
