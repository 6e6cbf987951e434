# SPDX-License-Identifier: Apache-2.0
"""The services' applications as their web processes make them, with nothing connected."""

from functools import cache
from importlib import import_module
from typing import Any

from apiflask import APIFlask
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

SERVICES = ("auth", "catalog", "orders", "notifier", "analytics")

NOBODY_S_SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"  # noqa: S105 - it guards nothing


@cache
def application(service: str) -> APIFlask:
    """A service's application. Servers are named that do not exist; no route is ever called."""
    config = import_module(f"{service}.config").Config(**_settings())
    made: APIFlask = import_module(f"{service}.app").create_app(config)
    return made


def document_of(service: str) -> dict[str, Any]:
    """The service's own API document, as its code says it."""
    spec: Any = application(service).spec
    document: dict[str, Any] = spec
    return document


@cache
def _settings() -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "database_url": "mysql+pymysql://nobody:x@127.0.0.1:1/none",
        "amqp_url": "amqp://nobody:x@127.0.0.1:1/souk",
        "redis_url": "redis://:x@127.0.0.1:1/0",
        "service_token_key": NOBODY_S_SECRET,
        "secret_key": NOBODY_S_SECRET[::-1],
        "jwt_private_key": key.decode(),
        "mail_backend": "file",
        "mail_dir": "mail",
        "email_source": "souk@souk.example",
    }
