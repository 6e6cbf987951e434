# SPDX-License-Identifier: Apache-2.0
"""Lists and pages in a large catalog: wherever they begin, and however much there is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.benchmark import Benchmark, Ratio, Sides
from benchmarks.ground import Ground
from benchmarks.shelves import bare, stock_up
from catalog import queries
from catalog.queries import Filters
from common.db import Database
from common.migrations import migrate_to_head
from common.roles import migrations_of
from souk_local.servers import MariaDB, Schema
from support.databases import as_root

FEW, MANY = 1000, Ground.size("PRODUCTS", 1_000_000)
LIMIT = 50
TIMES = 60
"""Pages in a round; its figure is their median."""


@contextmanager
def few_and_many(ground: Ground) -> Iterator[Sides]:
    """A catalog of a thousand products and one of many, asked as catalog's routes ask."""
    server = ground.servers.mariadb
    few, many = (_catalog(server, f"lists_{count}", count) for count in (FEW, MANY))
    newest = Filters()

    def listed(database: Database, after: int | None) -> None:
        position = None if after is None else [after]
        database.look(queries.list_products, filters=newest, limit=LIMIT, after=position)

    def numbered(offset: int) -> None:
        many.read(queries.page_of_products, offset=offset, limit=LIMIT)

    yield Sides(
        {
            "first of few": _each(listed, few, None),
            "first of many": _each(listed, many, None),
            "deep in many": _each(listed, many, LIMIT + 2),
            "OFFSET deep in many": _each(numbered, MANY - LIMIT, times=1),
            "a product of few": _each(few.glance, queries.shown_by_refs, [str(FEW // 2)]),
            "a product of many": _each(many.glance, queries.shown_by_refs, [str(MANY // 2)]),
        }
    )
    for database in (few, many):
        database.dispose()
    with as_root(server) as cursor:
        for count in {FEW, MANY}:
            cursor.execute(f"DROP DATABASE lists_{count}")


def _catalog(server: MariaDB, name: str, count: int) -> Database:
    schema = Schema(name, name)
    server.create_schemas([schema])
    migrate_to_head(server.url(schema), migrations_of("catalog"))
    with as_root(server, name) as cursor:
        # It would take longer than all others, and no list without words asks it.
        cursor.execute("ALTER TABLE products DROP INDEX ft_products_text")
        with bare(cursor):
            stock_up(cursor, count)
        cursor.execute("ANALYZE TABLE products")
    return Database(server.url(schema), read_timeout=60)


def _each(ask: Callable[..., Any], *asked: Any, times: int = TIMES) -> Callable[[], float]:
    """A round that tells the median of so many, in milliseconds."""

    def one_round() -> float:
        took = []
        for _ in range(times):
            began = time.perf_counter()
            ask(*asked)
            took.append(time.perf_counter() - began)
        return 1000 * sorted(took)[times // 2]

    return one_round


def _flat(title: str, of: str, to: str, limits: tuple[float, float, float]) -> Ratio:
    return Ratio(title=title, unit="ms", of=of, to=to, limits=limits, lower_is_better=True)


BENCHMARKS = (
    Benchmark(
        id="P8",
        title="lists and pages of a large catalog",
        prepare=few_and_many,
        ratios=[
            _flat(
                f"the last page of a list of {MANY:,} / its first",
                "deep in many",
                "first of many",
                (2, 1.3, 1.1),
            ),
            _flat(
                f"a list's first page among {MANY:,} / among {FEW:,}",
                "first of many",
                "first of few",
                (1.5, 1.15, 1.05),
            ),
            _flat(
                f"one product among {MANY:,} / among {FEW:,}",
                "a product of many",
                "a product of few",
                (1.5, 1.15, 1.05),
            ),
        ],
    ),
)
