# SPDX-License-Identifier: Apache-2.0
"""``.run/operator.env``: what ``soukctl`` has to know of this stack."""

import shlex

from souk_local.environments import ADMIN_EMAIL, ADMIN_USERNAME, OPERATOR, Environments
from souk_local.servers.server import write_private

FILE = "operator.env"


def settings_of(stack: Environments) -> dict[str, str]:
    """Everybody's databases and a user of the broker who may everything: for operators only."""
    schemas = stack.schemas()
    databases = {f"{one.name.upper()}_DATABASE_URL": stack.mariadb.url(one) for one in schemas}
    return databases | {
        "GATEWAY_URL": stack.gateway_url,
        "ADMIN_USERNAME": ADMIN_USERNAME,
        "ADMIN_EMAIL": ADMIN_EMAIL,
        "ADMIN_PASSWORD": stack.keyring.admin_password,
        "DEMO_PASSWORD": stack.keyring.demo_password,
        "AMQP_URL": stack.rabbitmq.url(OPERATOR),
        "REDIS_URL": stack.redis.url,
        "AUTH_SECRET_KEY": stack.keyring.signing["auth"],
        "JWT_PRIVATE_KEY": stack.keyring.jwt_private_key,
        "CURRENCY": stack.service("catalog")["CURRENCY"],
        "MAIL_BACKEND": "file",
        "MAIL_DIR": str(stack.directory / "mail"),
        "RUN_DIRECTORY": str(stack.directory),
    }


def write(stack: Environments) -> None:
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in settings_of(stack).items()]
    write_private(stack.directory / FILE, "".join(lines))
