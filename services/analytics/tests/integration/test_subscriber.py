# SPDX-License-Identifier: Apache-2.0
"""Events through the real broker: delivered twice, cut off before the ack, and still exact."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from threading import Event as Signal

import orjson
import pytest
from sqlalchemy import Connection, create_engine, func, select, text
from sqlalchemy import event as hooks

from analytics.handlers import BATCH_HANDLERS
from analytics.models import LoggedEvent, View
from analytics.worker import TOPOLOGY
from common import subscriber
from common.amqp import BrokerUnavailable, Consumer, Publisher, Topology
from common.amqp.connection import connect
from common.amqp.publisher import Outgoing
from common.amqp.topology import EVENTS_EXCHANGE
from common.contracts import VIEWS, OrderCancelled, OrderPlaced, ProductsViewed
from common.logs import configure_logs
from common.metrics import HANDLED
from common.problems import Unavailable
from common.subscriber import Subscriber
from common.testing import eventually

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LAMP, CHAIR = 42, 43
EVENTS = (*VIEWS, OrderPlaced, OrderCancelled)
SMALL = Topology(service="analytics", events=EVENTS, streams=VIEWS)


@pytest.fixture
def publish(amqp_url) -> Iterator[Callable[[Sequence], None]]:
    publisher = Publisher(amqp_url, "tests")

    def send(told: Sequence) -> None:
        messages = [
            Outgoing(
                id=str(envelope.id),
                type=envelope.type,
                body=envelope.to_json(),
                routing_key=envelope.routing_key,
                timestamp=int(envelope.time.timestamp()),
            )
            for _, envelope in told
        ]
        assert publisher.publish(messages, EVENTS_EXCHANGE) == set()

    yield send
    publisher.close()


@pytest.fixture
def subscribed(database, amqp_url) -> Callable:
    """Runs the subscriber in a thread for as long as the block lasts, with other handlers if so."""

    @contextmanager
    def run(changes: Callable[[Signal], dict] = lambda _stop: {}) -> Iterator[None]:
        configure_logs("analytics")
        handlers = {event: BATCH_HANDLERS[event] for event in EVENTS}
        stop = Signal()
        thread = Thread(
            target=Subscriber(database, amqp_url, SMALL, {}, handlers | changes(stop)).run,
            args=(stop,),
        )
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=60)
        assert not thread.is_alive()

    return run


@pytest.fixture(params=[1000, 20], ids=["in one transaction", "side by side"])
def together(request, monkeypatch) -> None:
    """How much is handled in one transaction: all of it, or so little that two are at work."""
    monkeypatch.setattr(subscriber, "MOST_TOGETHER", request.param)


@pytest.fixture
def history(teller):
    """300 views in three minutes, and five orders of which two are cancelled."""
    views = [
        teller.view(LAMP, viewer=number % 7 or None, at=NOON + timedelta(seconds=number % 180))
        for number in range(300)
    ]
    placed = [teller.placed(f"o-{number}", (LAMP, 1, 100), (CHAIR, 2, 50)) for number in range(5)]
    cancelled = [teller.cancelled(f"o-{n}", (LAMP, 1, 100), (CHAIR, 2, 50)) for n in (0, 1)]
    return views, placed, cancelled


EXACT = {
    (NOON, LAMP): (120, 3, 3, 300),
    (NOON + timedelta(minutes=1), LAMP): (120, 0, 0, 0),
    (NOON + timedelta(minutes=2), LAMP): (60, 0, 0, 0),
    (NOON, CHAIR): (0, 3, 6, 300),
}


EXACT_VIEWS = {key: (views, 0, 0, 0) for key, (views, *_) in EXACT.items() if views}


def kept(database) -> int:
    return database.read(lambda session: session.scalar(select(func.count(View.at))))


def logged(session) -> int:
    return session.scalar(select(func.count(LoggedEvent.seq)))


@pytest.fixture
def settled() -> Callable[[], float]:
    """How many deliveries have been acknowledged since the test began."""

    def count() -> float:
        return sum(
            sample.value
            for metric in HANDLED.collect()
            for sample in metric.samples
            if sample.name.endswith("_total") and sample.labels["outcome"] in {"done", "duplicate"}
        )

    before = count()
    return lambda: count() - before


def waiting(amqp_url: str, queue: str) -> int:
    """How many messages are ready; with no consumer left, that is all of them."""
    connection = connect(amqp_url, "tests")
    try:
        return connection.channel().queue_declare(queue, passive=True).method.message_count
    finally:
        connection.close()


def is_drained(amqp_url: str) -> bool:
    return not any(waiting(amqp_url, name) for name in SMALL.queue_names())


@pytest.mark.usefixtures("together")
def test_events_that_are_delivered_twice_and_in_disorder_count_once(
    fresh_queues, publish, subscribed, database, amqp_url, history, counted, recounted, settled
):
    views, placed, cancelled = history
    fresh_queues(SMALL)
    publish([*cancelled, *views, *placed])
    publish([*views, *placed[:3], *cancelled])

    with subscribed():
        eventually(lambda: settled() == 2 * 300 + 2 * 2 + 5 + 3, seconds=60)
        publish(views[:50])
        eventually(lambda: settled() == 2 * 300 + 2 * 2 + 5 + 3 + 50, seconds=60)

    assert is_drained(amqp_url)
    assert counted() == EXACT == recounted()
    assert database.read(logged) == 7


@pytest.mark.usefixtures("together")
def test_views_count_once_however_they_are_put_together(
    fresh_queues, publish, subscribed, amqp_url, teller, history, counted, recounted, settled
):
    """As from gateways of two releases, one of which was killed and tells all of it again."""
    views, *_ = history
    fresh_queues(SMALL)
    first = [teller.together(*views[start:][:100]) for start in range(0, 300, 100)]
    again = [teller.together(*views[start:][:70]) for start in range(210, -1, -70)]
    publish([*views[250:], *first[:2], *again, *views[:50], *first, first[0]])

    with subscribed():
        told = 50 + 200 + 280 + 50 + 300 + 100
        eventually(lambda: settled() == told, seconds=60)
        assert HANDLED.labels("ProductsViewed", "duplicate")._value.get() > 0

    assert is_drained(amqp_url)
    assert counted() == EXACT_VIEWS == recounted()


@pytest.mark.usefixtures("together")
def test_a_view_that_can_not_be_kept_leaves_its_message_alone(
    fresh_queues, publish, subscribed, database, amqp_url, teller
):
    """It is tried again by itself, as if it had come alone; the others are kept."""
    views = [*(teller.view() for _ in range(40)), teller.view(session="x" * 65), teller.view()]
    fresh_queues(SMALL)
    publish([teller.together(*views), teller.together(*(teller.view() for _ in range(5)))])

    with subscribed():
        eventually(lambda: kept(database) == 46, seconds=60)
        eventually(lambda: waiting(amqp_url, "analytics.products_viewed.retry") == 1, seconds=60)

    assert is_drained(amqp_url)


def test_a_view_that_nobody_can_read_leaves_its_message_alone(
    fresh_queues, publish, subscribed, database, amqp_url, teller
):
    views = [teller.view() for _ in range(30)]
    event, envelope = teller.together(*views)
    envelope.data["views"][7]["product_id"] = "the lamp"
    fresh_queues(SMALL)
    publish([(event, envelope)])

    with subscribed():
        eventually(lambda: kept(database) == 29, seconds=60)
        eventually(lambda: waiting(amqp_url, "analytics.products_viewed.dead") == 1, seconds=60)

    assert is_drained(amqp_url)
    connection = connect(amqp_url, "tests")
    _, properties, body = connection.channel().basic_get("analytics.products_viewed.dead")
    connection.close()
    [lost] = orjson.loads(body)["data"]["views"]
    assert lost["id"] == str(views[7][1].id)
    assert properties.message_id == orjson.loads(body)["id"]


@pytest.mark.usefixtures("together")
def test_a_connection_that_breaks_between_commit_and_ack_changes_no_count(
    fresh_queues, publish, subscribed, amqp_url, history, counted, settled, monkeypatch
):
    acknowledge, cuts = Consumer.acknowledge, []

    def cut_at_first(consumer: Consumer, deliveries: Sequence) -> None:
        if len(cuts) < 2:
            cuts.append(len(deliveries))
            consumer.close()
            raise BrokerUnavailable("cut by the test")
        acknowledge(consumer, deliveries)

    monkeypatch.setattr(Consumer, "acknowledge", cut_at_first)
    fresh_queues(SMALL)
    publish([event for kind in history for event in kind])

    with subscribed():
        eventually(lambda: settled() == 307, seconds=60)

    assert len(cuts) == 2
    assert is_drained(amqp_url)
    assert counted() == EXACT


@pytest.fixture
def kill(database) -> Iterator[Callable[[Connection], None]]:
    """Ends a connection's session from another one, as an operator or a failover would."""
    operator = create_engine(database.engine.url)

    def end(connection: Connection) -> None:
        number = connection.connection.dbapi_connection.thread_id()
        with operator.connect() as other:
            other.execute(text("KILL :number"), {"number": number})

    yield end
    operator.dispose()


@pytest.mark.usefixtures("together")
@pytest.mark.parametrize("moment", ["before the counters", "before the commit", "after the commit"])
def test_a_database_session_that_is_killed_changes_no_count(
    fresh_queues, publish, subscribed, database, amqp_url, history, counted, settled, kill, moment
):
    killed = []

    def at_counters(connection, _cursor, statement, *_) -> None:
        if moment == "before the counters" and "product_minutes" in statement and not killed:
            killed.append(moment)
            kill(connection)

    def at_commit(connection) -> None:
        if moment != "before the counters" and not killed:
            killed.append(moment)
            if moment == "after the commit":
                # The server has it, and its answer is lost.
                connection.connection.dbapi_connection.commit()
            kill(connection)

    fresh_queues(SMALL)
    publish([event for kind in history for event in kind])
    hooks.listen(database.engine, "before_cursor_execute", at_counters)
    hooks.listen(database.engine, "commit", at_commit)
    try:
        with subscribed():
            eventually(lambda: settled() == 307, seconds=60)
    finally:
        hooks.remove(database.engine, "before_cursor_execute", at_counters)
        hooks.remove(database.engine, "commit", at_commit)

    assert killed
    assert is_drained(amqp_url)
    assert counted() == EXACT


def test_one_unreadable_view_does_not_hold_up_the_others(
    fresh_queues, publish, subscribed, database, amqp_url, teller
):
    poison = teller.view(session="x" * 65)
    fresh_queues(SMALL)
    publish([*(teller.view() for _ in range(5)), poison, *(teller.view() for _ in range(5))])

    with subscribed():
        eventually(lambda: kept(database) == 10, seconds=60)
        eventually(lambda: waiting(amqp_url, "analytics.product_viewed.retry") == 1, seconds=60)


def test_two_parts_of_a_backlog_are_handled_at_a_time(
    fresh_queues, publish, subscribed, amqp_url, teller, settled
):
    meeting = Barrier(2, timeout=30)

    def meet(_stop) -> dict:
        def handle(*_) -> set:
            meeting.wait()
            return set()

        return {ProductsViewed: handle}

    fresh_queues(SMALL)
    publish([teller.together(*(teller.view() for _ in range(600))) for _ in range(2)])

    with subscribed(meet):
        eventually(lambda: settled() == 1200, seconds=60)

    assert not meeting.broken
    assert is_drained(amqp_url)


def test_parts_that_failed_together_do_not_wait_one_after_the_other(
    fresh_queues, publish, subscribed, teller, settled, monkeypatch
):
    monkeypatch.setattr(subscriber, "TROUBLE_SECONDS", 60)
    failed = []

    def fail_once(_stop) -> dict:
        def handle(_session, received) -> set:
            if len(failed) < 2:
                failed.append(received)
                raise Unavailable
            return set()

        return {ProductsViewed: handle}

    fresh_queues(SMALL)
    publish([teller.together(*(teller.view() for _ in range(600))) for _ in range(4)])

    with subscribed(fail_once):
        eventually(lambda: settled() == 2400, seconds=30)

    assert len(failed) == 2


def test_who_is_told_to_stop_begins_nothing_more_of_a_backlog(
    fresh_queues, publish, subscribed, amqp_url, teller
):
    begun = []

    def stop_at_first(stop) -> dict:
        def handle(_session, received) -> set:
            begun.append(len(received))
            stop.set()
            return set()

        return {ProductsViewed: handle}

    fresh_queues(SMALL)
    publish([teller.together(*(teller.view() for _ in range(600))) for _ in range(40)])

    with subscribed(stop_at_first):
        eventually(lambda: begun, seconds=60)

    assert len(begun) < 40
    assert waiting(amqp_url, "analytics.products_viewed") >= 40 - len(begun)


def test_a_stream_keeps_all_views_for_readers_from_its_beginning(
    fresh_queues, publish, subscribed, amqp_url, teller, counted
):
    views = [teller.view() for _ in range(20)]
    fresh_queues(SMALL)
    publish(views)
    with subscribed():
        eventually(lambda: counted() == {(NOON, LAMP): (20, 0, 0, 0)}, seconds=60)

    connection = connect(amqp_url, "tests")
    channel = connection.channel()
    channel.basic_qos(prefetch_count=100)
    bodies: list[bytes] = []
    channel.basic_consume(
        "analytics.product_viewed.stream",
        lambda _channel, _method, _properties, body: bodies.append(body),
        arguments={"x-stream-offset": "first"},
    )

    def read() -> bool:
        connection.process_data_events(time_limit=0.1)
        return len(bodies) == 20

    eventually(read, seconds=60)
    connection.close()
    assert bodies == [envelope.to_json() for _, envelope in views]


def test_the_workers_topology_holds_every_event_and_the_stream():
    names = {queue.name for queue in TOPOLOGY.queues()}

    assert len(TOPOLOGY.events) == 15
    assert {"analytics.product_viewed.stream", "analytics.products_viewed.stream"} < names
    assert "analytics.order_rejected.dead" in names
