# SPDX-License-Identifier: Apache-2.0
"""``deploy/.env``: every secret of the containers, made once, and whatever else is set there."""

import secrets
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from souk_local.keyring import Keyring
from souk_local.servers.server import write_private

HEAD = """\
# Made by `make compose` for deploy/compose.yaml. What is here stays; what is missing is added.
"""
SINGLE = {
    "database_root": "MYSQL_ROOT_PASSWORD",
    "broker_operator": "OPERATOR_BROKER_PASSWORD",
    "redis": "REDIS_PASSWORD",
    "service_token": "SERVICE_TOKEN_KEY",
    "view_log": "VIEW_LOG_KEY",
    "jwt_private_key": "JWT_PRIVATE_KEY",
    "admin_password": "ADMIN_PASSWORD",
    "demo_password": "DEMO_PASSWORD",
}
GRAFANA = "GRAFANA_PASSWORD"
"""Of no process of ours, so it is on no keyring."""
PER_OWNER = {
    "database": "{}_DATABASE_PASSWORD",
    "broker": "{}_BROKER_PASSWORD",
    "signing": "{}_SECRET_KEY",
}


def keyring_of(path: Path) -> Keyring:
    """The secrets in the file; those that it lacks are made and added to it."""
    stored = dotenv_values(path, interpolate=False) if path.exists() else {}
    fresh = variables(Keyring.generate()) | {GRAFANA: secrets.token_hex(16)}
    missing = {name: value for name, value in fresh.items() if not stored.get(name)}
    if missing:
        text = path.read_text() if path.exists() else HEAD
        lines = "".join(f"{name}={_quoted(value)}\n" for name, value in missing.items())
        write_private(path, text.rstrip("\n") + "\n" + lines)
    return _keyring(fresh | {name: value for name, value in stored.items() if value})


def variables(keyring: Keyring) -> dict[str, str]:
    """Every secret of the keyring under the name that ``compose.yaml`` knows it by."""
    return {name: getattr(keyring, secret) for secret, name in SINGLE.items()} | {
        name.format(owner.upper()): value
        for secret, name in PER_OWNER.items()
        for owner, value in getattr(keyring, secret).items()
    }


def _keyring(values: dict[str, str]) -> Keyring:
    made = Keyring.generate()
    kept: dict[str, Any] = {secret: values[name] for secret, name in SINGLE.items()}
    for secret, name in PER_OWNER.items():
        owners = getattr(made, secret)
        kept[secret] = {owner: values[name.format(owner.upper())] for owner in owners}
    return Keyring(**kept)


def _quoted(value: str) -> str:
    """One line, as Compose and dotenv read it; only a PEM has ends of lines."""
    return '"' + value.replace("\n", "\\n") + '"' if "\n" in value else value
