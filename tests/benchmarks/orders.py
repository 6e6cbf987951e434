# SPDX-License-Identifier: Apache-2.0
"""Orders: many buyers at once, and what it costs to sell exactly what is there."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.baseline.store import Store, baseline
from benchmarks.benchmark import Benchmark, Figures, Ratio, Sides
from benchmarks.ground import Ground
from benchmarks.load import posts
from benchmarks.sale import Sale
from common.testing import eventually

CLIENTS = 64
UNITS = 1_000_000
PRODUCT = 1


@contextmanager
def contended(ground: Ground) -> Iterator[Sides]:
    """One product, 64 buyers: the shop with its gateway, tokens, keys and events, and the seed."""
    sale = Sale(ground, [_product(ground)], UNITS)
    with baseline(ground.stack.environments.mariadb) as store:
        store.stock_up(PRODUCT, UNITS)
        yield Sides(
            {"the shop": lambda: _rush(sale), "the seed's design": lambda: _rush_on(store)},
            sale.fault,
        )


def _rush(sale: Sale) -> Mapping[str, float]:
    load = sale.rush(CLIENTS)
    return {"the shop": load.rate, "seconds until the last event's effect": sale.settle()}


def _rush_on(store: Store) -> Figures:
    (url,) = store.urls
    body = '{"customer_id": 1, "product_id": PRODUCT, "quantity": 1}'
    load = posts(url, "/order/add", body=body, products=[PRODUCT], clients=CLIENTS)
    eventually(store.is_idle, seconds=30, what="the end of what wrk has left behind")
    return load.rate


def _product(ground: Ground) -> int:
    shop = ground.shop
    return int(shop.product(shop.admin(), "Flash lamp", quantity=UNITS)["id"])


BENCHMARKS = (
    Benchmark(
        id="P1",
        title="contended orders",
        prepare=contended,
        ratios=[
            Ratio(
                title="one product, 64 clients: the shop / the seed's design",
                unit="orders/s",
                of="the shop",
                to="the seed's design",
                limits=(2, 4, 8),
            )
        ],
    ),
)
