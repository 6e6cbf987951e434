# SPDX-License-Identifier: Apache-2.0
"""The services as they are found: a new folder is under the rules from its first day."""

from importlib import import_module
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"


def pytest_generate_tests(metafunc):
    if "service" in metafunc.fixturenames:
        metafunc.parametrize("service", SERVICES)


@pytest.fixture(scope="session")
def app_of(tmp_path_factory):
    """Makes a service's application as its web process does; nothing is connected."""
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    values = {
        "database_url": "mysql+pymysql://nobody:x@127.0.0.1:1/none",
        "amqp_url": "amqp://nobody:x@127.0.0.1:1/souk",
        "redis_url": "redis://:x@127.0.0.1:1/0",
        "service_token_key": SECRET,
        "secret_key": SECRET[::-1],
        "jwt_private_key": key.decode(),
        "mail_backend": "file",
        "mail_dir": str(tmp_path_factory.mktemp("mail")),
        "email_source": "souk@souk.example",
    }
    made = {}

    def make(service):
        if service not in made:
            config = import_module(f"{service}.config").Config(**values)
            made[service] = import_module(f"{service}.app").create_app(config)
        return made[service]

    return make
