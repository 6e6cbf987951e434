# SPDX-License-Identifier: Apache-2.0
"""Orders: many buyers at once, on one product and on many."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.baseline.store import Store, baseline
from benchmarks.benchmark import Benchmark, Ratio, Sides
from benchmarks.ground import Ground
from benchmarks.load import posts
from benchmarks.sale import UNITS, Sale, products
from benchmarks.shelves import stock_up
from common.testing import eventually
from support.databases import schema_of

CLIENTS = 64
FEW, CROWD = 16, 512
MANY = 10_000
PRODUCT = 1
BODY = '{"customer_id": 1, "product_id": PRODUCT, "quantity": 1}'


@contextmanager
def contended(ground: Ground) -> Iterator[Sides]:
    """One product: the shop with its gateway, tokens, keys and events, and the seed's store."""
    sale = Sale(ground, products(ground, 1))
    with baseline(ground.stack.environments.mariadb) as store:
        store.stock_up(PRODUCT, UNITS)
        yield Sides(
            {
                "the shop": lambda: sale.round("the shop", CLIENTS),
                "the seed's design": lambda: _rush_on(store),
            },
            sale.fault,
        )


@contextmanager
def hot_and_cold(ground: Ground) -> Iterator[Sides]:
    with schema_of(ground.stack, "catalog") as catalog:
        many = stock_up(catalog, MANY, units=UNITS, mark="of many")
    hot, cold = Sale(ground, products(ground, 1)), Sale(ground, many)
    yield Sides(
        {
            "one product": lambda: hot.round("one product", CLIENTS),
            "many products": lambda: cold.round("many products", CLIENTS),
        },
        lambda: hot.fault() or cold.fault(),
    )


@contextmanager
def crowded(ground: Ground) -> Iterator[Sides]:
    sale = Sale(ground, products(ground, 1))

    def crowd() -> dict[str, float]:
        figures = sale.round("512 clients", CROWD)
        slow, usual = figures["512 clients: p99, ms"], figures["512 clients: p50, ms"]
        return figures | {"p99 / p50": slow / usual}

    yield Sides({"16": lambda: sale.round("16 clients", FEW), "512": crowd}, sale.fault)


def _rush_on(store: Store) -> float:
    (url,) = store.urls
    load = posts(url, "/order/add", body=BODY, products=[PRODUCT], clients=CLIENTS)
    eventually(store.is_idle, seconds=30, what="the end of what wrk has left behind")
    return load.rate


BENCHMARKS = (
    Benchmark(
        id="P1",
        title="contended orders",
        prepare=contended,
        ratios=[
            Ratio(
                title="orders of one product by 64 clients: the shop / the seed's design",
                unit="orders/s",
                of="the shop",
                to="the seed's design",
                limits=(2, 4, 8),
            )
        ],
    ),
    Benchmark(
        id="P3",
        title="hot and cold",
        prepare=hot_and_cold,
        ratios=[
            Ratio(
                title="64 clients: one product / 10,000 products",
                unit="orders/s",
                of="one product",
                to="many products",
                limits=(0.6, 0.85, 0.95),
            )
        ],
    ),
    Benchmark(
        id="P4",
        title="a crowd",
        prepare=crowded,
        ratios=[
            Ratio(
                title="orders of one product: 512 clients / 16 clients",
                unit="orders/s",
                of="512 clients",
                to="16 clients",
                limits=(0.7, 0.9, 1.0),
            ),
            Ratio(
                title="latency at 512 clients: p99 / p50",
                unit="times",
                of="p99 / p50",
                limits=(20, 10, 5),
                lower_is_better=True,
            ),
        ],
    ),
)
