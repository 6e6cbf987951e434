# SPDX-License-Identifier: Apache-2.0
"""Orders out, as a file."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from soukctl.config import Config
from soukctl.console import json_option
from soukctl.exports import export_option, write_all
from soukctl.shop import Shop

ORDER = ("id", "status", "placed_at", "currency", "total")
LINE = ("product_id", "sku", "name", "quantity", "unit_price", "subtotal")


@click.group()
def orders() -> None:
    """Orders out, as a file."""


@orders.command()
@export_option
@json_option
@click.pass_obj
def export(config: Config, *, output: Path | None, as_json: bool) -> None:
    """Write everybody's orders, newest first.

    CSV has one row for each line of an order; NDJSON, with --json, one object for each order.
    """
    found = (order for page in Shop.of(config).pages("/v1/orders") for order in page)
    records = found if as_json else _lines(found)
    things = "orders" if as_json else "lines of orders"
    write_all(records, (*ORDER, *LINE), output=output, as_json=as_json, things=things)


def _lines(orders: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for order in orders:
        head = {name: order[name] for name in ORDER}
        for line in order["items"]:
            yield head | {name: line[name] for name in LINE}
