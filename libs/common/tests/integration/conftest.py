# SPDX-License-Identifier: Apache-2.0
"""A small schema with an outbox, an inbox and one effect, and a service that owns them."""

import threading
from contextlib import contextmanager

import pytest
from pika.exceptions import ChannelClosedByBroker
from sqlalchemy import BigInteger, CheckConstraint, Column, Table, insert, select, update
from sqlalchemy.orm import Session

from common.amqp import Publisher, Topology
from common.amqp.connection import connect
from common.amqp.publisher import Outgoing
from common.amqp.topology import EVENTS_EXCHANGE
from common.contracts import OrderPlaced, OrderRejected
from common.db import Database, Identifier, Moment, exact, new_metadata
from common.events import Envelope
from common.idempotency import declare_idempotency
from common.inbox import declare_inbox
from common.outbox import declare_outbox

METADATA = new_metadata()
declare_outbox(METADATA)
declare_inbox(METADATA)
declare_idempotency(METADATA)

counters = Table(
    "counters",
    METADATA,
    Column("name", exact(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
    CheckConstraint("value >= 0", name="value"),
)
things = Table(
    "things",
    METADATA,
    Column("id", Identifier, primary_key=True),
    Column("at", Moment, nullable=True),
)


class Shop:
    """What the tests do with the small schema."""

    counters = counters
    things = things

    def __init__(self, database: Database) -> None:
        self.database = database

    @staticmethod
    def add(session: Session, name: str, units: int = 1) -> None:
        """Change a counter without looking first: done twice, it counts twice."""
        row = counters.c.name == name
        changed = session.execute(
            update(counters).where(row).values(value=counters.c.value + units)
        )
        if not changed.rowcount:
            session.execute(insert(counters), {"name": name, "value": units})

    def value(self, name: str) -> int | None:
        query = select(counters.c.value).where(counters.c.name == name)
        return self.database.read(lambda session: session.scalar(query))

    def count(self, table: str) -> int:
        rows = select(METADATA.tables[table])
        return len(self.database.read(lambda session: session.execute(rows).all()))


@pytest.fixture(scope="session")
def schema_url(new_schema):
    url = new_schema("common")
    database = Database(url)
    METADATA.create_all(database.engine)
    database.dispose()
    return url


@pytest.fixture
def database(schema_url, clean):
    made = Database(schema_url, pool_size=8)
    clean(made)
    yield made
    made.dispose()


@pytest.fixture
def shop(database):
    return Shop(database)


@pytest.fixture
def in_thread():
    """Runs a task with a stop signal beside the test, and ends it with the block."""

    @contextmanager
    def running(task):
        stop, failures = threading.Event(), []

        def guarded():
            try:
                task(stop)
            except Exception as error:  # noqa: BLE001 - the test looks at it
                failures.append(error)

        thread = threading.Thread(target=guarded)
        thread.start()
        try:
            yield failures
        finally:
            stop.set()
            thread.join(timeout=15)
            assert not thread.is_alive()

    return running


def placed(order="order-1", units=1):
    return Envelope.seal(
        OrderPlaced(
            order_id=order,
            customer_id=5,
            items=[{"product_id": 1, "quantity": units, "unit_price": 100}],
            total=100 * units,
            currency="USD",
        ),
        aggregate_version=1,
    )


def rejected(order="order-1", reason="insufficient_stock"):
    return Envelope.seal(OrderRejected(order_id=order, reason=reason), aggregate_version=1)


@pytest.fixture
def events():
    """Envelopes to publish: ``events.placed("order-1")``."""

    class Events:
        placed = staticmethod(placed)
        rejected = staticmethod(rejected)

    return Events


class QuickTopology(Topology):
    """The same queues with a retry delay that tests can wait for."""

    def queues(self):
        for queue in super().queues():
            if "x-message-ttl" in queue.arguments:
                queue.arguments["x-message-ttl"] = 50
            yield queue


@pytest.fixture
def topology(fresh_queues):
    made = QuickTopology(service="testing", events=(OrderPlaced, OrderRejected))
    fresh_queues(made)
    return made


@pytest.fixture
def broker(amqp_url):
    """A plain look into the broker: counts, takes, and publishes what nobody of ours would."""

    class Broker:
        def __init__(self):
            self._connection = connect(amqp_url, "tests")
            self.channel = self._connection.channel()

        def depth(self, queue):
            found = self.channel.queue_declare(queue, passive=True)
            return found.method.message_count

        def consumers(self, queue):
            """How many read it; none where there is no such queue."""
            channel = self._connection.channel()
            try:
                return channel.queue_declare(queue, passive=True).method.consumer_count
            except ChannelClosedByBroker:
                return 0

        def take(self, queue):
            """The next message and its properties, or None."""
            method, properties, body = self.channel.basic_get(queue, auto_ack=True)
            return None if method is None else (body, properties)

        def close(self):
            self._connection.close()

    made = Broker()
    yield made
    made.close()


@pytest.fixture
def publish(amqp_url):
    publisher = Publisher(amqp_url, "tests")

    def send(*envelopes):
        messages = [
            Outgoing(
                id=str(envelope.id),
                type=envelope.type,
                body=envelope.to_json(),
                routing_key=envelope.routing_key,
                timestamp=0,
                correlation_id=envelope.correlationid,
            )
            for envelope in envelopes
        ]
        assert publisher.publish(messages, EVENTS_EXCHANGE) == set()

    yield send
    publisher.close()
