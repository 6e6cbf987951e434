# SPDX-License-Identifier: Apache-2.0
"""Orders of few lines and of many: each line costs something, and no more than the one before."""

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import median

from benchmarks.benchmark import Benchmark, Ratio, Sides
from benchmarks.ground import Ground
from benchmarks.load import one_by_one
from benchmarks.sale import Sale, products, wait_until_quiet
from souk_local.programs import WORKERS
from support.shop import Person

ONE, ELEVEN, FORTY_ONE, FIFTY_ONE = "1 line", "11 lines", "41 lines", "51 lines"
LINES = {ONE: 1, ELEVEN: 11, FORTY_ONE: 41, FIFTY_ONE: 51}
ORDERS = 30


@contextmanager
def baskets(ground: Ground) -> Iterator[Sides]:
    """One client, and no worker: what is measured is the way to the answer."""
    shelf = products(ground, max(LINES.values()))
    sale, buyer, supervisor = Sale(ground, shelf), ground.buyers()[0], ground.stack.supervisor
    supervisor.end(*WORKERS)
    try:
        yield Sides(
            {name: partial(_order, buyer, shelf[:count], sale) for name, count in LINES.items()},
            sale.fault,
        )
    finally:
        supervisor.begin(*WORKERS)
    wait_until_quiet(ground.stack, shelf)


def _order(buyer: Person, wanted: Sequence[int], sale: Sale) -> float:
    """Some orders of one unit of each of these; the median of what they took, in ms."""
    body = json.dumps({"items": [{"product": product, "quantity": 1} for product in wanted]})
    asked = [(body, {"Idempotency-Key": secrets.token_hex(12)}) for _ in range(ORDERS)]
    took: list[float] = []
    for milliseconds, answer in one_by_one(buyer, "POST", "/v1/orders", asked):
        took.append(milliseconds)
        sale.accepted += len(wanted) * (answer.status == 201)
        if answer.status != 201:
            sale.odd[str(answer.status)] += 1
    return median(took)


def _ten_more(of: str, to: str) -> Ratio:
    return Ratio(
        title=f"latency of an order: {of} / {to}",
        unit="ms",
        of=of,
        to=to,
        limits=(1.5, 1.5, 1.0),
        lower_is_better=True,
    )


BENCHMARKS = (
    Benchmark(
        id="G4",
        title="orders, as their lines grow",
        prepare=baskets,
        ratios=[_ten_more(ELEVEN, ONE), _ten_more(FIFTY_ONE, FORTY_ONE)],
    ),
)
