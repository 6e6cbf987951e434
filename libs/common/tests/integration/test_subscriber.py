# SPDX-License-Identifier: Apache-2.0
"""Every event's effect happens once: twice told, out of order, in bad company, through crashes."""

import threading
import time
from dataclasses import replace

import orjson
import pytest
from pika import BasicProperties
from sqlalchemy import text

from common import inbox, outbox, subscriber
from common.amqp import Publisher, Topology, TopologyConflict
from common.amqp.consumer import REASON_HEADER, Consumer
from common.amqp.topology import EVENTS_EXCHANGE
from common.context import current_trace
from common.contracts import OrderPlaced, OrderRejected
from common.db import Database
from common.metrics import HANDLED
from common.problems import Unavailable
from common.relay import Relay
from common.subscriber import MOST_ATTEMPTS, Subscriber
from common.testing import eventually
from common.testing.counting import counting

PLACED = "testing.order_placed"
REJECTED = "testing.order_rejected"


@pytest.fixture
def handling(shop, amqp_url, topology):
    """A subscriber whose effects are counters: units by order, and how often it was called."""

    class Handling:
        def __init__(self):
            self.calls = []
            self.traces = []
            self.bad = set()
            self.database = shop.database

        def on_order_placed(self, session, event, envelope):
            self.calls.append(event.order_id)
            self.traces.append(current_trace())
            shop.add(session, event.order_id, event.items[0].quantity)
            if event.order_id in self.bad:
                raise LookupError(f"no such order {event.order_id}")

        def on_order_rejected(self, session, event, envelope):
            shop.add(session, f"rejected-{event.order_id}")

        def subscriber(self, **changes):
            handlers = {OrderPlaced: self.on_order_placed, OrderRejected: self.on_order_rejected}
            return Subscriber(changes.get("database", self.database), amqp_url, topology, handlers)

    return Handling()


def empty(broker, *queues):
    return all(broker.depth(queue) == 0 for queue in queues or (PLACED, REJECTED))


def test_an_event_that_comes_twice_has_its_effect_once(
    shop, handling, publish, events, in_thread, broker
):
    first, last = events.placed("order-1", units=3), events.rejected("last")
    publish(first, first)
    with in_thread(handling.subscriber().run):
        eventually(lambda: shop.value("order-1") == 3)
        publish(first, last)
        eventually(lambda: shop.value("rejected-last") == 1)
        eventually(lambda: empty(broker))

    assert shop.value("order-1") == 3
    assert shop.count("inbox_messages") == 2


def test_without_the_inbox_the_same_event_counts_twice(
    shop, handling, publish, events, in_thread, monkeypatch
):
    """The control: the effect is not idempotent by itself, so the test above proves the inbox."""
    monkeypatch.setattr(inbox, "remember_new", lambda *_: set())
    event = events.placed("order-1", units=3)

    with in_thread(handling.subscriber().run):
        publish(event)
        eventually(lambda: shop.value("order-1") == 3)
        publish(event)
        eventually(lambda: shop.value("order-1") == 6)


def test_many_events_of_two_kinds_in_any_order_are_each_done_once(
    shop, handling, publish, events, in_thread
):
    told = [events.placed(f"order-{number % 7}", units=1) for number in range(150)]
    told += [events.rejected("x") for _ in range(50)]
    publish(*told[::-1], *told[::3])

    with in_thread(handling.subscriber().run):
        eventually(lambda: shop.count("inbox_messages") == 200, seconds=20)
        eventually(lambda: shop.value("rejected-x") == 50)

    assert sum(shop.value(f"order-{number}") for number in range(7)) == 150


def test_two_subscribers_at_once_do_each_event_once(shop, handling, publish, events, in_thread):
    told = [events.placed("order-1") for _ in range(120)]

    with in_thread(handling.subscriber().run), in_thread(handling.subscriber().run):
        publish(*told)
        publish(*told)
        eventually(lambda: shop.value("order-1") == 120, seconds=20)
        publish(events.rejected("last"))
        eventually(lambda: shop.value("rejected-last") == 1)

    assert shop.value("order-1") == 120


def test_from_outbox_to_effect_with_two_relays_and_two_subscribers_counts_each_event_once(
    shop, handling, amqp_url, events, in_thread
):
    told = [events.placed("order-1") for _ in range(300)]
    shop.database.run(lambda session: outbox.append_all(session, told))
    relays = [Relay(shop.database, Publisher(amqp_url, "relay")) for _ in range(2)]

    with (
        in_thread(relays[0].run) as failures,
        in_thread(relays[1].run),
        in_thread(handling.subscriber().run),
        in_thread(handling.subscriber().run),
    ):
        eventually(lambda: shop.value("order-1") == 300, seconds=20)
        eventually(lambda: shop.count("outbox_messages") == 0)

    assert (shop.value("order-1"), shop.count("inbox_messages"), failures) == (300, 300, [])


def test_an_effect_happens_in_the_name_of_its_event(handling, publish, events, in_thread):
    event = events.placed("order-1")
    publish(event)

    with in_thread(handling.subscriber().run):
        (trace,) = eventually(lambda: handling.traces)

    assert trace.correlation_id == event.correlationid
    assert trace.causation_id == str(event.id)
    assert trace.actor == event.actor


def test_one_bad_event_ends_among_the_dead_and_the_good_ones_are_done(
    shop, handling, publish, events, in_thread, broker, monkeypatch
):
    monkeypatch.setattr(subscriber, "MOST_ATTEMPTS", 3)
    handling.bad = {"order-5"}
    told = [events.placed(f"order-{number}") for number in range(20)]
    publish(*told)

    with in_thread(handling.subscriber().run):
        eventually(lambda: broker.depth(f"{PLACED}.dead") == 1, seconds=20)
        eventually(lambda: shop.count("inbox_messages") == 19)

    assert [shop.value(f"order-{number}") for number in range(20)] == [
        None if number == 5 else 1 for number in range(20)
    ]
    body, properties = broker.take(f"{PLACED}.dead")
    assert body == told[5].to_json()
    assert properties.headers[REASON_HEADER] == "LookupError: no such order order-5"
    assert properties.headers["x-souk-attempt"] == 3
    assert properties.message_id == str(told[5].id)


def test_an_event_that_works_at_its_second_attempt_is_done(
    shop, handling, publish, events, in_thread, broker, monkeypatch
):
    monkeypatch.setattr(subscriber, "MOST_ATTEMPTS", 10_000)  # however late it is mended
    handling.bad = {"order-1"}
    publish(events.placed("order-1"))

    with in_thread(handling.subscriber().run):
        eventually(lambda: handling.calls)
        handling.bad = set()
        eventually(lambda: shop.value("order-1") == 1)

    assert empty(broker, PLACED, f"{PLACED}.retry", f"{PLACED}.dead")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"{}",
        b'{"type": "OrderPlaced"}',
        b'{"type": ["OrderPlaced"]}',
        b"[" * 10_000,
    ],
)
def test_what_is_no_event_goes_to_the_dead_at_once(handling, in_thread, broker, body):
    broker.channel.basic_publish(EVENTS_EXCHANGE, OrderPlaced.routing_key(), body)

    with in_thread(handling.subscriber().run) as failures:
        eventually(lambda: broker.depth(f"{PLACED}.dead") == 1)

    found, properties = broker.take(f"{PLACED}.dead")
    assert found == body
    assert "not a readable event" in properties.headers[REASON_HEADER]
    assert (handling.calls, failures) == ([], [])


@pytest.mark.parametrize("change", [{"dataschemaversion": "2"}, {"type": "OrderEaten"}])
def test_what_nobody_can_read_goes_to_the_dead_at_once(handling, in_thread, broker, events, change):
    body = orjson.dumps(orjson.loads(events.placed().to_json()) | change)
    broker.channel.basic_publish(EVENTS_EXCHANGE, OrderPlaced.routing_key(), body)

    with in_thread(handling.subscriber().run):
        eventually(lambda: broker.depth(f"{PLACED}.dead") == 1)

    assert handling.calls == []


@pytest.mark.parametrize("attempt", ["three", "7", None, [1], -5])
def test_a_counter_that_is_none_stops_nobody(shop, handling, in_thread, broker, events, attempt):
    event = events.placed("order-1")
    headers = {"x-souk-attempt": attempt}
    broker.channel.basic_publish(
        EVENTS_EXCHANGE, event.routing_key, event.to_json(), BasicProperties(headers=headers)
    )

    with in_thread(handling.subscriber().run) as failures:
        eventually(lambda: shop.value("order-1") == 1)

    assert failures == []


def test_an_event_whose_acknowledgement_was_lost_comes_again_and_is_skipped(
    shop, handling, publish, events, in_thread, broker, monkeypatch
):
    """The worker dies between its commit and its ack."""
    event = events.placed("order-1", units=3)
    publish(event)
    acknowledge = Consumer.acknowledge
    died = []

    def die_once(consumer, deliveries):
        if not died:
            died.append(len(deliveries))
            consumer.close()
        acknowledge(consumer, deliveries)

    monkeypatch.setattr(Consumer, "acknowledge", die_once)
    with in_thread(handling.subscriber().run) as failures:
        eventually(lambda: died)
        publish(events.rejected("last"))
        eventually(lambda: shop.value("rejected-last") == 1)
        eventually(lambda: empty(broker))

    assert died == [1]
    assert shop.value("order-1") == 3
    assert handling.calls == ["order-1"]
    assert failures == []


def test_a_database_that_is_away_costs_no_attempt(
    shop, handling, publish, events, in_thread, broker, monkeypatch
):
    monkeypatch.setattr(subscriber, "TROUBLE_SECONDS", 0.05)
    away, refusals = threading.Event(), []
    away.set()

    class Sometimes(Database):
        def run(self, command, /, *args, **kwargs):
            if away.is_set():
                refusals.append(1)
                raise Unavailable
            return super().run(command, *args, **kwargs)

    url = shop.database.engine.url.render_as_string(hide_password=False)
    flaky = Sometimes(url)
    publish(events.placed("order-1"))

    with in_thread(handling.subscriber(database=flaky).run):
        eventually(lambda: len(refusals) > MOST_ATTEMPTS + 2)
        assert empty(broker, f"{PLACED}.retry", f"{PLACED}.dead")
        away.clear()
        eventually(lambda: shop.value("order-1") == 1)

    flaky.dispose()
    assert empty(broker, f"{PLACED}.retry", f"{PLACED}.dead")


def test_a_database_that_goes_away_between_two_halves_is_waited_for(
    shop, handling, publish, events, in_thread, broker, monkeypatch
):
    """What was handled and acknowledged before it went is not handled or acknowledged again."""
    monkeypatch.setattr(subscriber, "TROUBLE_SECONDS", 0.05)
    monkeypatch.setattr(subscriber, "MOST_ATTEMPTS", 1)
    sizes = []

    class Sometimes(Database):
        def run(self, command, /, *args, **kwargs):
            sizes.append(len(args[0]))
            if sizes.count(2) == 2 and sizes[-1] == 2:
                raise Unavailable
            return super().run(command, *args, **kwargs)

    url = shop.database.engine.url.render_as_string(hide_password=False)
    flaky = Sometimes(url)
    handling.bad.add("order-3")
    publish(*(events.placed(f"order-{number}") for number in range(4)))
    eventually(lambda: broker.depth(PLACED) == 4)

    with in_thread(handling.subscriber(database=flaky).run) as failures:
        eventually(lambda: broker.depth(f"{PLACED}.dead") == 1)

    flaky.dispose()
    assert failures == []
    assert [shop.value(f"order-{number}") for number in range(4)] == [1, 1, 1, None]


def test_a_broker_that_is_away_is_waited_for(shop, topology, in_thread):
    handlers = {OrderPlaced: lambda *_: None, OrderRejected: lambda *_: None}
    waiting = Subscriber(shop.database, "amqp://x:x@127.0.0.1:1/souk", topology, handlers)

    with in_thread(waiting.run) as failures:
        threading.Event().wait(0.2)

    assert failures == []


def test_a_queue_that_is_deleted_under_its_reader_is_declared_again_and_read(
    shop, handling, publish, events, in_thread, broker, monkeypatch
):
    monkeypatch.setattr(subscriber, "TROUBLE_SECONDS", 0.05)
    with in_thread(handling.subscriber().run) as failures:
        publish(events.placed("before"))
        eventually(lambda: shop.value("before") == 1)

        broker.channel.queue_delete(PLACED)
        eventually(lambda: broker.consumers(PLACED) == 1, what="read again")
        publish(events.placed("after"), events.rejected("after"))

        eventually(lambda: shop.value("after") == 1)
        eventually(lambda: shop.value("rejected-after") == 1)
    assert failures == []


def test_queues_with_other_arguments_are_told_apart_at_the_start(amqp_url, broker, topology):
    broker.channel.queue_delete(REJECTED)
    broker.channel.queue_declare(REJECTED, durable=True, arguments={"x-queue-type": "quorum"})

    with pytest.raises(TopologyConflict, match=r"testing\.order_rejected") as caught:
        topology.declare(amqp_url)

    assert "nothing was changed" in str(caught.value)


def test_a_conflict_ends_the_subscriber_so_that_somebody_sees_it(handling, broker, in_thread):
    broker.channel.queue_delete(REJECTED)
    broker.channel.queue_declare(REJECTED, durable=True, arguments={"x-queue-type": "quorum"})

    with in_thread(handling.subscriber().run) as failures:
        eventually(lambda: failures)

    assert isinstance(failures[0], TopologyConflict)


def test_a_topology_can_be_declared_again_and_again(amqp_url, topology, publish, events, broker):
    publish(events.placed())
    topology.declare(amqp_url)
    topology.declare(amqp_url)

    assert eventually(lambda: broker.depth(PLACED)) == 1


def test_a_stream_keeps_what_was_read(amqp_url, fresh_queues, publish, events, broker):
    stream = Topology(service="streaming", events=(OrderPlaced,), streams=(OrderPlaced,))
    fresh_queues(stream)
    publish(events.placed("order-1"))
    eventually(lambda: broker.take("streaming.order_placed"))

    publish(events.placed("order-2"))
    found = []
    broker.channel.basic_qos(prefetch_count=10)
    broker.channel.basic_consume(
        "streaming.order_placed.stream",
        lambda _channel, _method, _properties, body: found.append(orjson.loads(body)),
        arguments={"x-stream-offset": "first"},
    )
    eventually(lambda: broker.channel.connection.process_data_events(0.05) or len(found) == 2)

    assert [one["data"]["order_id"] for one in found] == ["order-1", "order-2"]


def test_subscribing_without_handling_is_refused_at_the_start(shop, topology):
    with pytest.raises(ValueError, match="OrderRejected"):
        Subscriber(shop.database, "amqp://", topology, {OrderPlaced: lambda *_: None})


@pytest.mark.parametrize("is_stream", [True, False])
def test_a_batch_handler_gets_a_batch_at_once_and_says_what_it_knew(
    shop, topology, amqp_url, publish, events, in_thread, is_stream
):
    """Of a stream it has to know all that comes again, else the inbox does."""
    sizes, stored = [], set()

    def on_orders_placed(_session, received):
        ids = [envelope.id for _, envelope in received]
        assert len(set(ids)) == len(ids)
        sizes.append(len(ids))
        known = stored.intersection(ids)
        assert is_stream or not known
        stored.update(ids)
        return known

    def settled(outcome):
        return HANDLED.labels("OrderPlaced", outcome)._value.get()

    done, duplicates = settled("done"), settled("duplicate")
    told = [events.placed("x") for _ in range(80)]
    publish(*told, *told)
    reading = Subscriber(
        shop.database,
        amqp_url,
        replace(topology, streams=(OrderPlaced,) if is_stream else ()),
        {OrderRejected: lambda *_: None},
        {OrderPlaced: on_orders_placed},
    )
    with in_thread(reading.run):
        publish(*told)
        eventually(lambda: settled("duplicate") == duplicates + 160)

    assert settled("done") == done + 80
    assert max(sizes) > 1
    assert shop.count("inbox_messages") == (0 if is_stream else 80)


def test_a_batch_costs_one_statement_and_one_commit_beside_its_effects(
    shop, handling, publish, events, in_thread, broker
):
    publish(*(events.rejected(f"order-{number}") for number in range(150)))
    eventually(lambda: broker.depth(REJECTED) == 150)

    with counting(shop.database) as asked, in_thread(handling.subscriber().run):
        eventually(lambda: shop.count("inbox_messages") == 150)

    looks = [one for one in asked.statements if "inbox_messages" in one and " IN (" in one]
    memories = [one for one in asked.statements if one.startswith("INSERT INTO inbox_messages")]
    assert len(memories) == asked.commits
    assert looks == [], "nothing was there before"
    assert asked.commits < 30, "they are handled in batches"


def test_old_memories_go_and_young_ones_stay(shop, database):
    old = "INSERT INTO inbox_messages (event_id, consumer, handled_at) VALUES (:id, 'x', :at)"

    def remember(session):
        for number, at in enumerate(["2020-01-01", "2020-01-02", "2999-01-01"]):
            session.execute(text(old), {"id": bytes([number]) * 16, "at": at})

    database.run(remember)

    assert inbox.forget_handled(database) == 2
    assert shop.count("inbox_messages") == 1
    assert inbox.forget_handled(database) == 0


def test_one_consumers_memory_is_not_anothers(database, events):
    event_id = events.placed().id

    def look(session):
        inbox.remember(session, "catalog", [event_id])
        return [
            inbox.already_handled(session, name, [event_id]) for name in ("catalog", "notifier")
        ]

    assert database.run(look) == [{event_id}, set()]


def test_who_gathers_goes_on_when_a_batch_is_full(publish, events, topology, amqp_url, broker):
    reader = Consumer(
        amqp_url, "reader", queues=topology.queue_names(), exchange=topology.exchange, most=3
    )
    publish(*(events.rejected(f"order-{number}") for number in range(4)))
    began = time.monotonic()

    reader.gather(60)

    assert time.monotonic() - began < 30
    assert len(reader.receive(wait=0)) == 3
    reader.close()
