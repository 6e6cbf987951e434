# SPDX-License-Identifier: Apache-2.0
"""The same rush on the seed's store with two processes and on ours: who sells what is not there."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import count
from threading import Barrier
from urllib.parse import urlsplit

from benchmarks.baseline.store import Store, baseline
from benchmarks.benchmark import Benchmark, Ratio, Sides
from benchmarks.ground import Ground
from benchmarks.sale import units_sold, wait_until_settled
from support.rush import rush
from support.shop import Person

CLIENTS = 64
UNITS = 5
ATTEMPTS = 64
SALES = 5
"""In a round: only the last unit of a sale can be sold twice, so a single sale has one chance."""


@contextmanager
def two_processes(ground: Ground) -> Iterator[Sides]:
    off: list[int] = []
    buyers, admin = ground.buyers(), ground.shop.admin()
    numbers = count(1)

    def shop() -> Mapping[str, float]:
        over = [_sale(ground, buyers, admin) for _ in range(SALES)]
        off.extend(number for number in over if number > 0)
        # Who was told 503 too often gave up, and its unit may have been left.
        left = -sum(number for number in over if number < 0)
        return {"the shop": sum(max(0, number) for number in over), "left over in the shop": left}

    with baseline(ground.stack.environments.mariadb, processes=2) as store:

        def seed() -> float:
            return sum(_seed_sale(store, next(numbers)) for _ in range(SALES))

        yield Sides(
            {"the seed's design": seed, "the shop": shop},
            lambda: f"the shop oversold {off} units" if off else None,
        )


def _sale(ground: Ground, buyers: Sequence[Person], admin: Person) -> int:
    product = ground.shop.product(admin, "Flash lamp", quantity=UNITS)
    rush(buyers, product["id"], ATTEMPTS)
    wait_until_settled(ground.stack)
    return units_sold(ground.stack, [product["id"]]) - UNITS


def _seed_sale(store: Store, product: int) -> int:
    store.stock_up(product, UNITS)
    start = Barrier(CLIENTS)
    body = json.dumps({"customer_id": 1, "product_id": product, "quantity": 1})

    def buy(number: int) -> None:
        address = urlsplit(store.urls[number % len(store.urls)])
        connection = HTTPConnection(str(address.hostname), address.port, timeout=60)
        start.wait()
        for _ in range(ATTEMPTS // CLIENTS):
            connection.request("POST", "/order/add", body, {"Content-Type": "application/json"})
            connection.getresponse().read()
        connection.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(buy, range(CLIENTS)))
    return store.sold(product) - UNITS


BENCHMARKS = (
    Benchmark(
        id="P1b",
        title="what is sold that is not there",
        prepare=two_processes,
        ratios=[
            Ratio(
                title=f"{SALES} sales of {UNITS} units, {ATTEMPTS} attempts each: oversold by the"
                " seed's design in two processes",
                unit="units",
                of="the seed's design",
                limits=(1, 1, 1),
            ),
            Ratio(
                title="the same sales in the shop: oversold",
                unit="units",
                of="the shop",
                limits=(0, 0, 0),
                lower_is_better=True,
            ),
        ],
    ),
)
