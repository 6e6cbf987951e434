# SPDX-License-Identifier: Apache-2.0
"""A shop in containers of its own, beside any other, for the tests that need no more than a URL."""

import secrets
from collections.abc import Iterator
from pathlib import Path

from souk_local.compose.containers import Containers
from souk_local.ports import free_ports
from support.shop import Shop

COMPOSE_FILE = Path(__file__).parents[2] / "deploy" / "compose.yaml"


def shop_in_containers(directory: Path) -> Iterator[Shop]:
    """The shop of ``deploy/compose.yaml``, as fast as ``make up`` lets clients and mails be."""
    [port] = free_ports(1)
    containers = Containers(
        COMPOSE_FILE,
        env_file=directory / ".env",
        directory=directory,
        project=f"souk-test-{secrets.token_hex(4)}",
        variables={
            "GATEWAY_PORT": str(port),
            "RATE_LIMIT_FACTOR": "1000",
            "MAIL_PER_SECOND": "1000",
        },
    )
    mails = directory / "mail"
    mails.mkdir()
    try:
        containers.up()
        yield Shop(containers.url(), directory, lambda: containers.fetch_mails(mails))
    finally:
        containers.down(with_data=True)
