# SPDX-License-Identifier: Apache-2.0
"""An order that is sent again: what its answer costs, and that nothing is written for it."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import median

from benchmarks.benchmark import Benchmark, Ratio, Sides
from benchmarks.ground import Ground
from benchmarks.load import one_by_one
from benchmarks.sale import Sale, products, wait_until_quiet
from souk_local.programs import WORKERS
from souk_local.servers import MariaDB
from support.databases import as_root
from support.shop import Person

ORDERS = 100
WRITES = ("Innodb_rows_inserted", "Innodb_rows_updated", "Innodb_rows_deleted")
REPLAYED = "Idempotent-Replayed"


@contextmanager
def replayed(ground: Ground) -> Iterator[Sides]:
    """One client that sends orders, and then the same ones again."""
    [product] = products(ground, 1)
    server, supervisor = ground.stack.environments.mariadb, ground.stack.supervisor
    sale, buyer, keys = Sale(ground, [product]), ground.buyers()[0], list[str]()

    def first() -> float:
        keys[:] = [secrets.token_hex(12) for _ in range(ORDERS)]
        return _send(buyer, product, keys, sale, is_replay=False)

    def again() -> Mapping[str, float]:
        before = _written(server)
        latency = _send(buyer, product, keys, sale, is_replay=True)
        return {"again": latency, "rows written by replays": _written(server) - before}

    supervisor.end(*WORKERS)  # so that whatever is written is written for the requests
    try:
        yield Sides({"first": first, "again": again}, sale.fault)
    finally:
        supervisor.begin(*WORKERS)
    wait_until_quiet(ground.stack, [product])


def _send(buyer: Person, product: int, keys: list[str], sale: Sale, *, is_replay: bool) -> float:
    """Send an order for each key, one after the other; the median of what they took, in ms."""
    body = json.dumps({"items": [{"product": product, "quantity": 1}]})
    asked = [(body, {"Idempotency-Key": key}) for key in keys]
    took: list[float] = []
    for milliseconds, answer in one_by_one(buyer, "POST", "/v1/orders", asked):
        took.append(milliseconds)
        sale.accepted += answer.status == 201 and not is_replay
        if answer.status != 201 or (REPLAYED in answer.headers) != is_replay:
            sale.odd[f"{answer.status}, a replay: {REPLAYED in answer.headers}"] += 1
    return median(took)


def _written(server: MariaDB) -> int:
    with as_root(server) as cursor:
        cursor.execute("SHOW GLOBAL STATUS WHERE Variable_name IN %s", (WRITES,))
        return sum(int(value) for _, value in cursor.fetchall())


BENCHMARKS = (
    Benchmark(
        id="P13",
        title="orders that are sent again",
        prepare=replayed,
        ratios=[
            Ratio(
                title="latency of an order: sent again / sent first",
                unit="ms",
                of="again",
                to="first",
                limits=(0.6, 0.4, 0.2),
                lower_is_better=True,
            ),
            Ratio(
                title=f"rows written in the whole database by {ORDERS} replays",
                unit="rows",
                of="rows written by replays",
                limits=(0, 0, 0),
                lower_is_better=True,
            ),
        ],
    ),
)
