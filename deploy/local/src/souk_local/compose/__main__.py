# SPDX-License-Identifier: Apache-2.0
"""``python -m souk_local.compose up``: behind ``make compose`` and its neighbours."""

import sys
from pathlib import Path

import click

from souk_local.compose.containers import MAILS, Containers, ContainersFailed, DockerSilent
from souk_local.console import Terminal
from souk_local.environments import ADMIN_USERNAME
from soukctl.demo import CUSTOMER_USERNAME, DemoRefused

DEPLOY = Path(__file__).resolve().parents[4]
COMPOSE = "docker compose -f deploy/compose.yaml"


def containers() -> Containers:
    return Containers(DEPLOY / "compose.yaml", DEPLOY / ".env", DEPLOY / ".compose")


@click.group()
def main() -> None:
    """Souk's whole stack in containers."""


@main.command()
def up() -> None:
    """Build and start everything, with an admin and demo data; safe to repeat."""
    stack = containers()
    secrets, url = stack.up(), stack.url()
    stack.terminal.say(
        f"\nSouk is ready at {url}\n"
        f"  admin     {ADMIN_USERNAME} / {secrets.admin_password}\n"
        f"  customer  {CUSTOMER_USERNAME} / {secrets.demo_password}\n"
        f"  products  curl {url}/v1/products\n"
        f"  API       {url}/docs\n"
        f"  mails     {COMPOSE} cp notifier-worker:{MAILS} .\n"
        f"  logs      {COMPOSE} logs · processes: {COMPOSE} ps · stop: make compose-down\n"
    )


@main.command()
@click.option("--with-data", is_flag=True, help="Delete the volumes as well.")
def down(*, with_data: bool) -> None:
    """Stop and remove the containers."""
    containers().down(with_data=with_data)


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (ContainersFailed, DemoRefused, DockerSilent, PermissionError) as error:
        Terminal().complain(str(error))
        sys.exit(1)
