# SPDX-License-Identifier: Apache-2.0
"""What the answer of a list costs behind the database: rows shaped, and written as JSON."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from uuid import UUID

import orjson

from benchmarks.benchmark import Benchmark, Figures, Ratio, Sides
from benchmarks.ground import Ground
from catalog.models import ShownProduct
from catalog.schemas import ProductsOut
from orders.models import ShownItem, ShownOrder
from orders.schemas import OrdersOut

SMALL, LARGE = 10, 100
PAGES, TIMES = 40, 15
MADE = "2026-01-01T12:30:15.123Z"


@contextmanager
def lists(_ground: Ground) -> Iterator[Sides]:
    """A hundred products, or orders, as their routes make the list of the rows that they read."""
    rows = [_row(number) for number in range(LARGE)]
    large = ProductsOut.shape(rows, next_cursor=None)
    same = orjson.loads(orjson.dumps(large))
    orders = [_order(number) for number in range(LARGE)]
    same_orders = orjson.loads(_orders(orders))

    def size() -> Figures:
        return {
            "bytes of one list": len(_answer(rows)),
            "bytes of ten": LARGE // SMALL * len(_answer(rows[:SMALL])),
        }

    yield Sides(
        {
            "shaped and written": partial(_microseconds, lambda: _answer(rows)),
            "written": partial(_microseconds, lambda: orjson.dumps(large)),
            "json.dumps": partial(_microseconds, lambda: json.dumps(same)),
            "orders": partial(_microseconds, lambda: _orders(orders)),
            "json.dumps of orders": partial(_microseconds, lambda: json.dumps(same_orders)),
            "size": size,
        }
    )


def _row(number: int) -> ShownProduct:
    return ShownProduct(
        id=1_000_000 + number,
        public_id=f"b{number:011}",
        sku=f"LAMP-{number:05}",
        name="Lamp",
        description="It gives light where there was none.",
        mark="Souk",
        price_minor=125_000 + number,
        currency="USD",
        low_stock_at=None,
        seller_id=1,
        seller_name="admin",
        version=1,
        available=5,
        stock_version=1,
        created_at=MADE,
        updated_at=MADE,
    )


def _order(number: int) -> ShownOrder:
    lamp = ShownItem(1_000_000 + number, f"LAMP-{number:05}", "Lamp", 1, 125_000 + number)
    chair = ShownItem(2_000_000 + number, f"CHAIR-{number:05}", "Chair", 4, 49_990)
    total = 324_960 + number
    return ShownOrder(str(UUID(int=number)), "confirmed", total, "USD", MADE, [lamp, chair])


def _answer(rows: Sequence[ShownProduct]) -> bytes:
    return orjson.dumps(ProductsOut.shape(rows, next_cursor=None))


def _orders(rows: Sequence[ShownOrder]) -> bytes:
    return orjson.dumps(OrdersOut.shape(rows, next_cursor=None))


def _microseconds(work: Callable[[], object]) -> float:
    """Processor time of one, the least of some means: what disturbs only ever adds to it."""
    means = []
    for _ in range(TIMES):
        began = time.process_time_ns()
        for _ in range(PAGES):
            work()
        means.append((time.process_time_ns() - began) / PAGES / 1000)
    return min(means)


def _law(title: str, unit: str, of: str, to: str, law: float) -> Ratio:
    return Ratio(title=title, unit=unit, of=of, to=to, limits=(law, law, 1.0), lower_is_better=True)


BENCHMARKS = (
    Benchmark(
        id="G6",
        title="the answer of a list, as it grows",
        prepare=lists,
        ratios=[
            _law(
                f"a list of {LARGE} / ten of {SMALL}",
                "bytes",
                "bytes of one list",
                "bytes of ten",
                1.2,
            ),
            _law("a list written / json.dumps of the same", "µs", "written", "json.dumps", 1.2),
            _law(
                "rows shaped and written / json.dumps of the same",
                "µs",
                "shaped and written",
                "json.dumps",
                1.2,
            ),
            _law(
                "orders of two lines shaped and written / json.dumps of the same",
                "µs",
                "orders",
                "json.dumps of orders",
                1.2,
            ),
        ],
    ),
)
