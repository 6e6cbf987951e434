# SPDX-License-Identifier: Apache-2.0
"""The shipper has one role: ``python -m shipper worker``, or nothing after the name."""

import click

from shipper.worker import main


@click.command(help="Ship the gateway's view log to the broker.")
@click.argument("role", type=click.Choice(["worker"]), default="worker")
def cli(role: str) -> None:
    del role  # there is only one
    main()


if __name__ == "__main__":
    cli()
