# SPDX-License-Identifier: Apache-2.0
"""Events from the outbox to the broker and from the broker to their effects, against bare pika."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from threading import Event as Signal
from threading import Thread
from typing import Any
from uuid import UUID

from pika.adapters.blocking_connection import BlockingChannel
from sqlalchemy import Column, Table, insert, select
from sqlalchemy.orm import Session

from benchmarks.benchmark import Benchmark, Ratio, Sides
from benchmarks.ground import Ground
from benchmarks.plain_amqp import OneByOne, Pipelined, Reader
from common import outbox
from common.amqp import Publisher, Topology, queue_name
from common.amqp.connection import connect
from common.amqp.publisher import Outgoing
from common.amqp.topology import EVENTS_EXCHANGE
from common.contracts import OrderPlaced
from common.db import Database, Identifier, exact, new_metadata
from common.events import Envelope
from common.inbox import declare_inbox
from common.logs import configure_logs
from common.metrics import HANDLED
from common.outbox import declare_outbox
from common.relay import Relay
from common.subscriber import Subscriber
from common.testing import eventually
from souk_local.servers import Schema

SERVICE = "bench"
TOPOLOGY = Topology(service=SERVICE, events=(OrderPlaced,))
QUEUE = queue_name(SERVICE, OrderPlaced.type())
EVENTS = 2000
ONE_BY_ONE = 200
RELAY, PIPELINED, SINGLE = "relay", "pika, pipelined", "pika, one by one"
TOGETHER, ALONE = "handled together", "a statement for each"
BARE = "pika, only read"

METADATA = new_metadata()
declare_outbox(METADATA)
declare_inbox(METADATA)
effects = Table(
    "effects",
    METADATA,
    Column("event_id", Identifier, primary_key=True),
    Column("order_id", exact(64), nullable=False),
)


def placed(number: int) -> list[Envelope]:
    return [Envelope.seal(_order(one), aggregate_version=1) for one in range(number)]


def _order(number: int) -> OrderPlaced:
    return OrderPlaced(
        order_id=f"order-{number}",
        customer_id=5,
        items=[{"product_id": 1, "quantity": 1, "unit_price": 100}],
        total=100,
        currency="USD",
    )


def message_of(envelope: Envelope) -> Outgoing:
    return Outgoing(
        id=str(envelope.id),
        type=envelope.type,
        body=envelope.to_json(),
        routing_key=envelope.routing_key,
        timestamp=int(envelope.time.timestamp()),
        correlation_id=envelope.correlationid,
    )


def new_schema(ground: Ground, name: str) -> Database:
    schema = Schema(name, name)
    ground.servers.mariadb.create_schemas([schema])
    database = Database(ground.servers.mariadb.url(schema))
    METADATA.create_all(database.engine)
    return database


class Queue:
    """The reader's queue, looked at and emptied outside of what is timed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._faults: list[str] = []
        TOPOLOGY.declare(url)

    def take(self, expected: int) -> None:
        """Empty it, and note when it did not hold as many as were told."""
        with self._channel() as channel:
            found = channel.queue_purge(QUEUE).method.message_count
        if found != expected:
            self._faults.append(f"{found} of {expected} events were in the queue")

    def fault(self) -> str | None:
        return self._faults[0] if self._faults else None

    def close(self) -> None:
        with self._channel() as channel:
            for queue in TOPOLOGY.queues():
                channel.queue_delete(queue.name)

    @contextmanager
    def _channel(self) -> Iterator[BlockingChannel]:
        connection = connect(self._url, "bench")
        yield connection.channel()
        connection.close()


@contextmanager
def relaying(ground: Ground) -> Iterator[Sides]:
    url, database = ground.servers.rabbitmq.url("tests"), new_schema(ground, "bench_relayed")
    publisher = Publisher(url, "bench relay")
    relay, queue = Relay(database, publisher), Queue(url)
    pipelined, single = Pipelined(url), OneByOne(url)

    def relayed() -> float:
        envelopes = placed(EVENTS)
        database.run(lambda session: outbox.append_all(session, envelopes))
        began = time.perf_counter()
        while relay.run_once():
            pass
        seconds = time.perf_counter() - began
        queue.take(EVENTS)
        return EVENTS / seconds

    def plain(seconds: Callable[[Sequence[Outgoing]], float], count: int) -> Callable[[], float]:
        def play() -> float:
            took = seconds([message_of(envelope) for envelope in placed(count)])
            queue.take(count)
            return count / took

        return play

    yield Sides(
        {
            RELAY: relayed,
            PIPELINED: plain(pipelined.seconds, EVENTS),
            SINGLE: plain(single.seconds, ONE_BY_ONE),
        },
        check=queue.fault,
    )
    for one in (queue, publisher, pipelined, single):
        one.close()
    database.dispose()


def handle_together(
    session: Session, received: Sequence[tuple[OrderPlaced, Envelope]]
) -> set[UUID]:
    """Many effects in one statement, which know their events again by their key."""
    orders = {envelope.id: event.order_id for event, envelope in received}
    ours = effects.c.event_id
    known = set(session.scalars(select(ours).where(ours.in_(orders))))
    rows = [
        {"event_id": event_id, "order_id": orders[event_id]} for event_id in orders.keys() - known
    ]
    if rows:
        session.execute(insert(effects), rows)
    return known


def handle_alone(session: Session, event: OrderPlaced, envelope: Envelope) -> None:
    session.execute(insert(effects), {"event_id": envelope.id, "order_id": event.order_id})


class Readers:
    """Fills the queue, and lets somebody read it."""

    def __init__(self, url: str, database: Database) -> None:
        self._url = url
        self._database = database
        self._told = 0

    def fill(self) -> None:
        publisher = Publisher(self._url, "bench")
        messages = [message_of(envelope) for envelope in placed(EVENTS)]
        assert not publisher.publish(messages, EVENTS_EXCHANGE)
        publisher.close()

    def bare(self) -> float:
        self.fill()
        began = time.perf_counter()
        reader = Reader(self._url)
        reader.read(QUEUE, EVENTS)
        seconds = time.perf_counter() - began
        reader.close()
        return EVENTS / seconds

    def subscribed(self, *handlers: Any) -> float:
        """Events a second, with the connection's start as in ``bare``."""
        self.fill()
        self._told += EVENTS
        done = HANDLED.labels(OrderPlaced.type(), "done")
        stop, goal = Signal(), done._value.get() + EVENTS
        subscriber = Subscriber(self._database, self._url, TOPOLOGY, *handlers)
        thread = Thread(target=subscriber.run, args=(stop,))
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            began = time.perf_counter()
            thread.start()
            try:
                eventually(lambda: done._value.get() >= goal, seconds=120)
                return EVENTS / (time.perf_counter() - began)
            finally:
                stop.set()
                thread.join()

    def fault(self) -> str | None:
        found = self._database.read(lambda session: len(session.execute(select(effects)).all()))
        return None if found == self._told else f"{found} effects of {self._told} events"


@contextmanager
def consuming(ground: Ground) -> Iterator[Sides]:
    url, database = ground.servers.rabbitmq.url("tests"), new_schema(ground, "bench_consumed")
    # As a worker writes them: a line for each event that is handled by itself.
    configure_logs(SERVICE)
    queue, readers = Queue(url), Readers(url, database)
    yield Sides(
        {
            TOGETHER: lambda: readers.subscribed({}, {OrderPlaced: handle_together}),
            ALONE: lambda: readers.subscribed({OrderPlaced: handle_alone}),
            BARE: readers.bare,
        },
        check=readers.fault,
    )
    # What a pool says of its end is no line of the table.
    configure_logs("bench", "warning")
    queue.close()
    database.dispose()


BENCHMARKS = (
    Benchmark(
        id="P9",
        title="events from the outbox to the broker",
        prepare=relaying,
        ratios=[
            Ratio(
                title="claimed, published, confirmed and deleted / pika alone, confirms pipelined",
                unit="events/s",
                of=RELAY,
                to=PIPELINED,
                limits=(0.4, 0.7, 0.85),
            ),
            Ratio(
                title="the same / pika alone, a confirm for each message",
                unit="events/s",
                of=RELAY,
                to=SINGLE,
                limits=(4, 8, 15),
            ),
        ],
    ),
    Benchmark(
        id="P10",
        title="events from a queue to their effects",
        prepare=consuming,
        ratios=[
            Ratio(
                title=f"known again, {how}, committed / pika alone, read and acknowledged",
                unit="events/s",
                of=how,
                to=BARE,
                limits=(0.1, 0.25, 0.4),
            )
            for how in (TOGETHER, ALONE)
        ],
    ),
)
