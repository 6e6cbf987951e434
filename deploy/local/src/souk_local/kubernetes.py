# SPDX-License-Identifier: Apache-2.0
"""The secrets of the Kubernetes demonstration: ``python -m souk_local.kubernetes DIRECTORY``.

The overlay ``demo`` makes Secrets from these files. Nothing of them is ever committed, and each
Secret holds what one pod needs.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import click

from souk_local.environments import ADMIN_EMAIL, ADMIN_USERNAME, OPERATOR
from souk_local.keyring import GATEWAY, SERVICES, Keyring
from souk_local.servers.rabbitmq import VIRTUAL_HOST, definitions
from souk_local.servers.server import write_private

# Passwords are hexadecimal: nothing in them could end a string.
SCHEMA = """\
CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS `{name}`@`%`;
ALTER USER `{name}`@`%` IDENTIFIED BY '{password}';
GRANT ALL PRIVILEGES ON `{name}`.* TO `{name}`@`%`;
"""

REDIS = """\
requirepass {password}
save ""
appendonly no
maxmemory 64mb
maxmemory-policy allkeys-lru
"""


def write_secrets(directory: Path) -> None:
    """Make every file that the overlay wants; a second time the values stay what they are."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in files(Keyring.of(directory)).items():
        write_private(directory / name, text)


def files(keyring: Keyring) -> dict[str, str]:
    """The files' texts by name; auth's private key has a file of its own already."""
    environments = {name: _service(keyring, name) for name in SERVICES} | {
        "shipper": {
            "AMQP_URL": _broker(GATEWAY, keyring.broker[GATEWAY]),
            "VIEW_LOG_KEY": keyring.view_log,
        },
        "operator": _operator(keyring),
    }
    broker = definitions(keyring.broker, {OPERATOR: keyring.broker_operator})
    return {f"{name}.env": _lines(values) for name, values in environments.items()} | {
        "mysql-root-password": keyring.database_root,
        "mysql-users.sql": "".join(
            SCHEMA.format(name=name, password=password)
            for name, password in keyring.database.items()
        ),
        "rabbitmq-definitions.json": json.dumps(broker, indent=2),
        "redis.conf": REDIS.format(password=keyring.redis),
    }


def _service(keyring: Keyring, name: str) -> dict[str, str]:
    return {
        "DATABASE_URL": _database(keyring, name),
        "AMQP_URL": _broker(name, keyring.broker[name]),
        "REDIS_URL": _redis(keyring),
        "SERVICE_TOKEN_KEY": keyring.service_token,
        "SECRET_KEY": keyring.signing[name],
    }


def _operator(keyring: Keyring) -> dict[str, str]:
    """What soukctl needs: everybody's databases, and a user of the broker who may everything."""
    databases = {f"{name.upper()}_DATABASE_URL": _database(keyring, name) for name in SERVICES}
    return databases | {
        "GATEWAY_URL": "http://gateway:80",
        "ADMIN_USERNAME": ADMIN_USERNAME,
        "ADMIN_EMAIL": ADMIN_EMAIL,
        "ADMIN_PASSWORD": keyring.admin_password,
        "DEMO_PASSWORD": keyring.demo_password,
        "AMQP_URL": _broker(OPERATOR, keyring.broker_operator),
        "REDIS_URL": _redis(keyring),
        "AUTH_SECRET_KEY": keyring.signing["auth"],
    }


def _database(keyring: Keyring, name: str) -> str:
    return f"mysql+pymysql://{name}:{keyring.database[name]}@mysql:3306/{name}"


def _broker(user: str, password: str) -> str:
    return f"amqp://{user}:{password}@rabbitmq:5672/{VIRTUAL_HOST}"


def _redis(keyring: Keyring) -> str:
    return f"redis://:{keyring.redis}@redis:6379/0"


def _lines(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())


@click.command(help="Make the demonstration's secrets in DIRECTORY; those that are there stay.")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
def main(directory: Path) -> None:
    write_secrets(directory)
    click.echo(f"The secrets are in {directory}, the admin's password among them (secrets.json).")


if __name__ == "__main__":
    main()
