# SPDX-License-Identifier: Apache-2.0
"""Views from the broker into their table and their counters, against the database's own ways in."""

import random
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event as Signal
from threading import Thread

import pymysql
from pymysql.cursors import Cursor

from analytics import days
from analytics.handlers import on_products_viewed
from analytics.worker import MOST_AT_ONCE
from benchmarks.benchmark import Benchmark, Ratio, Sides
from benchmarks.ground import Ground
from common.amqp import Publisher, Topology
from common.amqp.topology import EVENTS_EXCHANGE
from common.contracts import ProductsViewed
from common.db import Database
from common.events import Envelope
from common.metrics import HANDLED
from common.migrations import migrate_to_head
from common.roles import migrations_of
from common.subscriber import Subscriber
from common.testing import eventually
from shipper.shipping import MOST_VIEWS
from shipper.views import View, message_of
from souk_local.servers import MariaDB, Schema

OURS, PLAIN = Schema("views_ours", "views_ours"), Schema("views_plain", "views_plain")
TOPOLOGY = Topology(service="analytics", events=(ProductsViewed,), streams=(ProductsViewed,))
HANDLERS = {ProductsViewed: on_products_viewed}
COLUMNS = "at, event_id, product_id, viewer_id, session, status"
INSERT = f"INSERT INTO views ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s)"
PRODUCTS, VIEWERS = 1000, 500
POPULARITY = [1 / rank for rank in range(1, PRODUCTS + 1)]
A_VIEW = timedelta(milliseconds=1)
ONE_BY_ONE = 300
FROM_THE_QUEUE = "from the queue"
LOAD, MANY, SINGLE = "LOAD DATA", "executemany", "row per commit"

Row = tuple[object, ...]


class Visitors:
    """Makes views, a thousand in a second, of a thousand products.

    As visitors do: the second product is looked at half as often as the first, the tenth a tenth.
    """

    def __init__(self, since: datetime) -> None:
        self._at = since

    def views(self, number: int) -> list[View]:
        products = random.choices(range(1, PRODUCTS + 1), weights=POPULARITY, k=number)
        return [self._view(product) for product in products]

    def _view(self, product: int) -> View:
        self._at += A_VIEW
        return View(
            id=secrets.token_hex(16),
            time=self._at.timestamp(),
            product_id=product,
            user=random.choice(["", str(random.randint(1, VIEWERS))]),
            session=secrets.token_hex(16),
            status=200,
            path=f"/v1/products/{product}",
        )


def rows_of(views: Sequence[View]) -> list[Row]:
    return [
        (
            datetime.fromtimestamp(view.time, UTC).replace(tzinfo=None),
            view.event_id.bytes,
            view.product_id,
            int(view.user) if view.user else None,
            view.session,
            view.status,
        )
        for view in views
    ]


def told(views: Sequence[View]) -> list[tuple[ProductsViewed, Envelope]]:
    """*views* as the worker reads them, in one message."""
    envelope = Envelope.from_json(message_of(views).body)
    return [(ProductsViewed.model_validate(envelope.data), envelope)]


class Ingest:
    """The worker's own subscriber, with the views alone."""

    def __init__(self, database: Database, amqp_url: str) -> None:
        self._database = database
        self._amqp_url = amqp_url
        self._told = 0
        TOPOLOGY.declare(amqp_url)

    def seconds(self, views: Sequence[View]) -> float:
        """How long it takes to connect, and to count all views that wait in the queue."""
        self._publish(views)
        done = HANDLED.labels(ProductsViewed.type(), "done")
        stop, goal = Signal(), done._value.get() + len(views)
        subscriber = Subscriber(
            self._database, self._amqp_url, TOPOLOGY, {}, HANDLERS, most=MOST_AT_ONCE
        )
        thread = Thread(target=subscriber.run, args=(stop,))
        began = time.perf_counter()
        thread.start()
        try:
            eventually(lambda: done._value.get() >= goal, seconds=120)
            return time.perf_counter() - began
        finally:
            stop.set()
            thread.join()

    def _publish(self, views: Sequence[View]) -> None:
        """As the shipper tells what it finds in the log."""
        publisher = Publisher(self._amqp_url, "bench")
        parts = [views[start:][:MOST_VIEWS] for start in range(0, len(views), MOST_VIEWS)]
        publisher.publish([message_of(part) for part in parts], EVENTS_EXCHANGE)
        publisher.close()
        self._told += len(views)

    def fault(self) -> str | None:
        """Every view is stored and counted once, after all rounds."""
        with self._database.engine.connect() as connection:
            stored, counted = (
                connection.exec_driver_sql(query).scalar_one()
                for query in (
                    "SELECT COUNT(*) FROM views",
                    "SELECT SUM(views) FROM product_minutes",
                )
            )
        if stored == counted == self._told:
            return None
        return f"of {self._told} views {stored} are stored and {counted} counted"


class Plain:
    """The same table, of the same server, filled by its driver."""

    def __init__(self, server: MariaDB) -> None:
        self._connection = pymysql.connect(
            host="127.0.0.1",
            port=server.port,
            user="root",
            password=server.root_password,
            database=PLAIN.name,
            local_infile=True,
        )

    def load(self, rows: Sequence[Row]) -> float:
        """Seconds of LOAD DATA; the file is there before."""
        with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
            for at, event_id, product, viewer, *rest in rows:
                columns = (at, bytes(event_id).hex(), product, viewer or "\\N", *rest)
                file.write("\t".join(map(str, columns)) + "\n")
            file.flush()
            return self._seconds(
                lambda cursor: cursor.execute(
                    f"LOAD DATA LOCAL INFILE '{file.name}' INTO TABLE views CHARACTER SET ascii"
                    f" ({COLUMNS.replace('event_id', '@id')}) SET event_id = UNHEX(@id)"
                )
            )

    def many(self, rows: Sequence[Row]) -> float:
        return self._seconds(lambda cursor: cursor.executemany(INSERT, rows))

    def single(self, rows: Sequence[Row]) -> float:
        def write(cursor: Cursor) -> None:
            for row in rows:
                cursor.execute(INSERT, row)
                self._connection.commit()

        return self._seconds(write)

    def _seconds(self, write: Callable[[Cursor], object]) -> float:
        began = time.perf_counter()
        with self._connection.cursor() as cursor:
            write(cursor)
        self._connection.commit()
        return time.perf_counter() - began

    def close(self) -> None:
        self._connection.close()


def made(server: MariaDB, schema: Schema) -> Database:
    """Analytics' schema, with the partitions that its worker makes."""
    server.create_schemas([schema])
    migrate_to_head(server.url(schema), migrations_of("analytics"))
    database = Database(server.url(schema))
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    database.run(days.add_partitions, today=yesterday, days_ahead=7)
    return database


@contextmanager
def ingest(ground: Ground) -> Iterator[Sides]:
    servers, number = ground.servers, ground.size("VIEWS", 6_000)
    database, other = made(servers.mariadb, OURS), made(servers.mariadb, PLAIN)
    ours = Ingest(database, servers.rabbitmq.url("tests"))
    plain = Plain(servers.mariadb)
    visitors = Visitors(datetime.now(UTC) - timedelta(hours=1))

    def side(seconds: Callable[[list[Row]], float], rows: int = number) -> Callable[[], float]:
        return lambda: rows / seconds(rows_of(visitors.views(rows)))

    yield Sides(
        {
            FROM_THE_QUEUE: lambda: number / ours.seconds(visitors.views(number)),
            LOAD: side(plain.load),
            MANY: side(plain.many),
            SINGLE: side(plain.single, ONE_BY_ONE),
        },
        check=ours.fault,
    )
    plain.close()
    for one in (database, other):
        one.dispose()


BENCHMARKS = (
    Benchmark(
        id="P11",
        title="views from the queue into their table and their counters",
        prepare=ingest,
        ratios=[
            Ratio(
                title=f"known again, stored and counted / {other} of the same rows",
                unit="views/s",
                of=FROM_THE_QUEUE,
                to=other,
                limits=limits,
            )
            for other, limits in (
                (LOAD, (0.1, 0.25, 0.5)),
                (MANY, (0.4, 0.7, 0.9)),
                (SINGLE, (20, 50, 100)),
            )
        ],
    ),
)
