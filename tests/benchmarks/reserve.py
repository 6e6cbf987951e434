# SPDX-License-Identifier: Apache-2.0
"""Catalog's reserve command by itself, against the database's own limit on one row."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Barrier

import pymysql
from sqlalchemy.orm import Session

from benchmarks.benchmark import Benchmark, Ratio, Sides
from benchmarks.ground import Ground
from catalog.app import reservations
from catalog.commands.products import NewProduct, create_product
from catalog.commands.reservations import Asked, Wish
from common.context import Trace
from common.db import Database
from common.identifiers import uuid7
from common.migrations import migrate_to_head
from common.roles import migrations_of
from souk_local.servers import MariaDB, Schema
from support.databases import as_root

THREADS = 32
CONNECTIONS = (1, 2, 4, 8, 16, 32)
RESERVE_SECONDS = 1.5
UPDATE_SECONDS = 0.4
UNITS = 1_000_000_000
SCHEMA = Schema("reserve", "reserve")
UPDATE = "UPDATE stock SET reserved = reserved + 1, version = version + 1 WHERE product_id = %s"


@contextmanager
def one_row(ground: Ground) -> Iterator[Sides]:
    """Threads that call catalog's own batcher; and connections that do nothing but write a row."""
    server = ground.servers.mariadb
    server.create_schemas([SCHEMA])
    migrate_to_head(server.url(SCHEMA), migrations_of("catalog"))
    database = Database(server.url(SCHEMA))
    ours, raw = (database.run(_product) for _ in range(2))
    batcher, trace, promised = reservations(database), Trace(), 0
    wish = Wish(lines={ours: 1}, prices={}, total=None)

    def reserve_one() -> None:
        batcher.submit(Asked(order_id=uuid7(), wish=wish, trace=trace))

    def reserve() -> float:
        nonlocal promised
        done, seconds = _again_and_again([reserve_one] * THREADS, RESERVE_SECONDS)
        promised += done
        return done / seconds

    yield Sides(
        {"reserve": reserve, "update": partial(_best_of_updates, server, raw)},
        lambda: _check(server, ours, promised),
    )
    database.engine.dispose()


def _product(session: Session) -> int:
    new = NewProduct(name="Lamp", price=1250, quantity=UNITS)
    made = create_product(session, new=new, seller_id=1, seller_name="admin", currency="USD")
    return int(made.id)


def _check(server: MariaDB, product: int, promised: int) -> str | None:
    with as_root(server, SCHEMA.name) as cursor:
        cursor.execute("SELECT reserved FROM stock WHERE product_id = %s", (product,))
        (reserved,) = cursor.fetchone()
    return None if reserved == promised else f"{reserved} units held, {promised} promised"


def _best_of_updates(server: MariaDB, product: int) -> float:
    """The most that so many connections, or fewer, get out of one row."""
    return max(_updates(server, product, count) for count in CONNECTIONS)


def _updates(server: MariaDB, product: int, connections: int) -> float:
    with ExitStack() as opened:
        steps = [_updater(opened, server, product) for _ in range(connections)]
        done, seconds = _again_and_again(steps, UPDATE_SECONDS)
    return done / seconds


def _updater(opened: ExitStack, server: MariaDB, product: int) -> Callable[[], None]:
    connection = opened.enter_context(
        pymysql.connect(
            host="127.0.0.1",
            port=server.port,
            user=SCHEMA.name,
            password=SCHEMA.password,
            database=SCHEMA.name,
            ssl_disabled=True,  # 63 TLS contexts a round would take longer than the updates
        )
    )
    cursor = connection.cursor()

    def update() -> None:
        cursor.execute(UPDATE, (product,))
        connection.commit()

    return update


def _again_and_again(steps: Sequence[Callable[[], None]], seconds: float) -> tuple[int, float]:
    """Take each step in a thread of its own until the time is over: how many, in what time."""
    start = Barrier(len(steps))

    def loop(step: Callable[[], None]) -> int:
        start.wait()
        count, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            step()
            count += 1
        return count

    began = time.monotonic()
    with ThreadPoolExecutor(len(steps)) as pool:
        done = sum(pool.map(loop, steps))
    return done, time.monotonic() - began


BENCHMARKS = (
    Benchmark(
        id="P2",
        title="reservations of one product",
        prepare=one_row,
        ratios=[
            Ratio(
                title="catalog's reserve command, 32 threads / one row's UPDATE and COMMIT,"
                " best of 1 to 32 connections",
                unit="a second",
                of="reserve",
                to="update",
                limits=(0.35, 1.0, 3.0),
            )
        ],
    ),
)
