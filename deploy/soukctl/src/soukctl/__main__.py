# SPDX-License-Identifier: Apache-2.0
"""``soukctl``: what operators do to a running shop; wiring only."""

import click


@click.group(help="Operate a Souk shop.")
def main() -> None:
    """Each command is a module of its own."""


if __name__ == "__main__":
    main()
