# SPDX-License-Identifier: Apache-2.0
"""What the same work costs in empty tables and in full ones: ``ROWS=10000000`` says how full."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from statistics import median

from sqlalchemy.orm import Session

from analytics import days, queries
from analytics.handlers import on_products_viewed
from analytics.windows import Window
from benchmarks.benchmark import Benchmark, Ratio, Sides
from benchmarks.ground import Ground
from benchmarks.views import Visitors, told
from common import idempotency, inbox, outbox
from common.clock import utcnow
from common.contracts import OrderPlaced
from common.db import Database
from common.events import Envelope
from common.idempotency import Claim, Key
from common.identifiers import uuid7
from common.migrations import migrate_to_head
from common.roles import migrations_of
from orders.catalog import Reservation, ReservedLine, Wanted
from orders.checkout import Checkout
from souk_local.servers import Schema

ROWS = 100_000
AT_ONCE = 50_000
FILL_SECONDS = 600
EMPTY, FULL = "empty", "full"
BATCH, BATCHES = 250, 8
ORDERS = 40
READS = 15

FIRST_DAY, TODAY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC)
"""Old views are of the days before; the hour that is asked for and all new views are of today."""
ASKED = Window(start=TODAY, end=TODAY + timedelta(hours=1), width=timedelta(hours=1))
VIEWS_OF_THE_HOUR = 5_000

SOME_WORD = "LEFT(SHA2(seq, 256), 32)"
SOME_ID = "UNHEX(CONCAT(LPAD(HEX(1700000000000 + seq), 12, '0'), LEFT(SHA2(seq, 256), 20)))"
"""In the order in which they were made, as ours are."""
FILLINGS = {
    "views": (
        "INSERT INTO views (at, event_id, product_id, viewer_id, session, status)"
        " SELECT '2026-01-01' + INTERVAL FLOOR(seq * 2592000000000 / (1 + {rows})) MICROSECOND,"
        f" {SOME_ID}, 1 + seq MOD 1000, NULLIF(seq MOD 500, 0), {SOME_WORD}, 200 FROM {{numbers}}"
    ),
    "product_minutes": (
        "INSERT INTO product_minutes (minute, product_id, views, orders, units, revenue)"
        " SELECT '2026-01-01' + INTERVAL FLOOR(seq * 43200 / (1 + {rows})) MINUTE,"
        " 1000 + seq, 1, 0, 0, 0 FROM {numbers}"
    ),
    "inbox_messages": (
        "INSERT INTO inbox_messages (event_id, consumer, handled_at)"
        f" SELECT {SOME_ID}, 'orders', '2026-01-01' + INTERVAL seq SECOND FROM {{numbers}}"
    ),
    "outbox_messages": (
        "INSERT INTO outbox_messages (event_id, type, subject, aggregate_version, routing_key,"
        " correlation_id, body, occurred_at, next_attempt_at)"
        f" SELECT {SOME_ID}, 'OrderPlaced', CONCAT('order/', seq), 1, 'orders.order_placed.v1',"
        f" {SOME_WORD}, REPEAT('x', 500), '2026-01-01' + INTERVAL seq SECOND,"
        " '2026-01-01' + INTERVAL seq SECOND FROM {numbers}"
    ),
    "idempotency_keys": (
        "INSERT INTO idempotency_keys (owner_id, `key`, fingerprint, reference, status, body,"
        f" claimed_at) SELECT 1 + seq MOD 1000, {SOME_WORD}, UNHEX(SHA2(seq, 256)),"
        f" {SOME_ID}, 201, REPEAT('x', 500), '2026-01-01' + INTERVAL seq SECOND FROM {{numbers}}"
    ),
    "orders": (
        "INSERT INTO orders (id, customer_id, status, wanted, is_from_cart, total_minor, currency,"
        " version, fence, idempotency_key, created_at, placed_at)"
        f" SELECT {SOME_ID}, 1 + seq MOD 1000, 'confirmed', '[[1,1]]', FALSE, 100, 'USD', 2, 1,"
        f" {SOME_WORD}, '2026-01-01' + INTERVAL seq SECOND, '2026-01-01' + INTERVAL seq SECOND"
        " FROM {numbers}"
    ),
    "order_items": (
        "INSERT INTO order_items (order_id, product_id, customer_id, name, quantity,"
        " unit_price_minor, is_sold)"
        f" SELECT {SOME_ID}, 1 + seq MOD 1000, 1 + seq MOD 1000, 'Lamp', 1, 100, TRUE"
        " FROM {numbers}"
    ),
}

Work = Callable[[Database], Mapping[str, float]]
"""Something that is done in both schemas; what each part of it took, in ms."""


@contextmanager
def in_both(
    ground: Ground,
    service: str,
    *,
    filled: Sequence[str],
    work: Work,
    prepare: Callable[[Database], object] = lambda _database: None,
) -> Iterator[Sides]:
    """A service's schema twice, of which one is filled."""
    rows, made = ground.size("ROWS", ROWS), dict[str, Database]()
    for side in (EMPTY, FULL):
        schema = Schema(f"{service}_{secrets.token_hex(3)}", f"{service}_{side}")
        ground.servers.mariadb.create_schemas([schema])
        url = ground.servers.mariadb.url(schema)
        migrate_to_head(url, migrations_of(service))
        made[side] = Database(url, read_timeout=FILL_SECONDS)
        prepare(made[side])
    for table in filled:
        _fill(made[FULL], table, rows)

    def play(side: str) -> Mapping[str, float]:
        return {f"{what}, {side}": took for what, took in work(made[side]).items()}

    yield Sides({EMPTY: lambda: play(EMPTY), FULL: lambda: play(FULL)})
    for database in made.values():
        database.dispose()


def _fill(database: Database, table: str, rows: int) -> None:
    for start in range(1, rows + 1, AT_ONCE):
        numbers = f"seq_{start}_to_{min(rows, start + AT_ONCE - 1)}"
        with database.engine.begin() as connection:
            connection.exec_driver_sql(FILLINGS[table].format(rows=rows, numbers=numbers))
    with database.engine.connect() as connection:
        connection.exec_driver_sql(f"ANALYZE TABLE {table}")


def timed(work: Callable[[], object], *, times: int = 1) -> float:
    """What it took in ms; of several times the median."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(1000 * (time.perf_counter() - began))
    return median(took)


@contextmanager
def views(ground: Ground) -> Iterator[Sides]:
    visitors = Visitors(TODAY + timedelta(hours=12))

    def prepare(database: Database) -> None:
        database.run(days.add_partitions, today=FIRST_DAY.date(), days_ahead=37)
        of_the_hour = Visitors(TODAY)
        for _ in range(VIEWS_OF_THE_HOUR // BATCH):
            database.run(on_products_viewed, told(of_the_hour.views(BATCH)))

    def work(database: Database) -> Mapping[str, float]:
        new = [told(visitors.views(BATCH)) for _ in range(BATCHES)]
        return {
            "ingest": timed(lambda: [database.run(on_products_viewed, batch) for batch in new]),
            "rollup": timed(lambda: database.read(_reports), times=READS),
        }

    with in_both(
        ground, "analytics", filled=["views", "product_minutes"], work=work, prepare=prepare
    ) as sides:
        yield sides


def _reports(session: Session) -> None:
    """An hour's ranking, and the same hour of its best product."""
    best = queries.top_products(session, metric="views", window=ASKED, limit=10)
    queries.product_series(session, product_id=best[0][0], window=ASKED)


@contextmanager
def backlogs(ground: Ground) -> Iterator[Sides]:
    def work(database: Database) -> Mapping[str, float]:
        return {
            what: timed(lambda part=part: database.run(part), times=READS)
            for what, part in (("inbox", _remember), ("outbox", _relay), ("keys", _claim_keys))
        }

    tables = ["inbox_messages", "outbox_messages", "idempotency_keys"]
    with in_both(ground, "orders", filled=tables, work=work) as sides:
        yield sides


def _remember(session: Session) -> None:
    new = [uuid7() for _ in range(BATCH)]
    inbox.already_handled(session, "orders", new)
    inbox.remember(session, "orders", new)


def _relay(session: Session) -> None:
    event = OrderPlaced(order_id="1", customer_id=1, items=[], total=1, currency="USD")
    outbox.append_all(session, [Envelope.seal(event, aggregate_version=1) for _ in range(BATCH)])
    claimed = outbox.claim(session, limit=BATCH, now=utcnow())
    outbox.settle(session, [row.seq for row in claimed])


def _claim_keys(session: Session) -> None:
    keys = [Key(owner_id=number, word=secrets.token_hex(12)) for number in range(1, BATCH + 1)]
    idempotency.claim_all(
        session, [Claim(key=key, fingerprint=bytes(32), reference=uuid7()) for key in keys]
    )


class Shelf:
    """Catalog that has everything: what is measured is orders' part."""

    def reserve_all(self, wanted: Sequence[Wanted], *, currency: str) -> list[Reservation]:
        line = ReservedLine(product_id=1, sku=None, name="Lamp", quantity=1, unit_price=100)
        return [
            Reservation(order_id=one.order_id, items=[line], total=100, currency=currency)
            for one in wanted
        ]


@contextmanager
def orders(ground: Ground) -> Iterator[Sides]:
    def work(database: Database) -> Mapping[str, float]:
        checkout = Checkout(database, Shelf(), hold_seconds=60, currency="USD")

        def place() -> None:
            key = Key(owner_id=1 + secrets.randbelow(1000), word=secrets.token_hex(12))
            checkout.place(key, fingerprint=bytes(32), lines={1: 1}, expected_total=None)

        return {"placing": timed(place, times=ORDERS)}

    tables = ["orders", "order_items", "idempotency_keys"]
    with in_both(ground, "orders", filled=tables, work=work) as sides:
        yield sides


def _flat(title: str, what: str, law: float) -> Ratio:
    return Ratio(
        title=f"{title}: full / empty tables",
        unit="ms",
        of=f"{what}, {FULL}",
        to=f"{what}, {EMPTY}",
        limits=(law, law, 1.0),
        lower_is_better=True,
    )


BENCHMARKS = (
    Benchmark(
        id="G1",
        title="views, as their table grows",
        prepare=views,
        ratios=[
            _flat("2,000 views stored and counted", "ingest", 1.2),
            _flat("an hour's ranking and series", "rollup", 1.2),
        ],
    ),
    Benchmark(
        id="G2",
        title="what waits or is remembered, as it grows",
        prepare=backlogs,
        ratios=[
            _flat("250 events remembered in the inbox", "inbox", 1.1),
            _flat("250 events appended, claimed and forgotten", "outbox", 1.1),
            _flat("250 keys claimed", "keys", 1.1),
        ],
    ),
    Benchmark(
        id="G3",
        title="orders, as their tables grow",
        prepare=orders,
        ratios=[_flat("an order placed, orders' part", "placing", 1.1)],
    ),
)
