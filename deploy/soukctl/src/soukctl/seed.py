# SPDX-License-Identifier: Apache-2.0
"""Something to look at in an empty shop."""

import click

from soukctl import demo
from soukctl.config import Config
from soukctl.console import json_option, say, say_json
from soukctl.shop import Shop


@click.command()
@json_option
@click.pass_obj
def seed(config: Config, *, as_json: bool) -> None:
    """Make demo products, and with DEMO_PASSWORD a demo customer; safe to repeat."""
    password = config.demo_password
    demo.populate(
        Shop.of(config).admin,
        customer_password=password.get_secret_value() if password else None,
    )
    customer = demo.CUSTOMER_USERNAME if password else None
    if as_json:
        say_json({"products": len(demo.PRODUCTS), "customer": customer})
        return
    say(f"{len(demo.PRODUCTS)} demo products are there.")
    if customer:
        say(f"The customer {customer} has the password that DEMO_PASSWORD says, unless changed.")
