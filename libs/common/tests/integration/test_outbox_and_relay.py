# SPDX-License-Identifier: Apache-2.0
"""From a command's transaction to the broker: nothing too early, nothing lost, all in order."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import orjson
import pytest
from pika import URLParameters
from prometheus_client import REGISTRY
from sqlalchemy import func, select, text, update

from common import outbox
from common.amqp import BrokerUnavailable, Publisher
from common.amqp.publisher import Outgoing
from common.amqp.topology import EVENTS_EXCHANGE
from common.clock import utcnow
from common.context import Trace, traced
from common.contracts import OrderRejected
from common.db import Database
from common.metrics import OUTBOX_DEPTH, OUTBOX_OLDEST
from common.outbox import outbox_messages
from common.relay import Relay
from common.testing import eventually

QUEUE = "testing.order_rejected"
TRACE = Trace(correlation_id="c" * 32, actor="user/5")


def append(database, *orders):
    def command(session):
        with traced(TRACE):
            for order in orders:
                outbox.append(session, OrderRejected(order_id=order, reason="x"), version=1)

    database.run(command)


def waiting(database):
    query = select(outbox_messages).order_by(outbox_messages.c.seq)
    return database.read(lambda session: session.execute(query).all())


def due_again(database):
    """Let no postponed event wait any longer."""
    now = update(outbox_messages).values(next_attempt_at=utcnow() - timedelta(seconds=1))
    database.run(lambda session: session.execute(now))


def orders_in(broker, count, queue=QUEUE):
    found = []

    def taken():
        while message := broker.take(queue):
            found.append(orjson.loads(message[0])["data"]["order_id"])
        return len(found) >= count

    if count:
        eventually(taken)
    assert broker.take(queue) is None
    return found


def retries():
    """How often relays have lost a race so far."""
    labels = {"command": "_move", "errno": "1213"}
    return REGISTRY.get_sample_value("souk_command_retries_total", labels) or 0


@pytest.fixture
def relay(database, amqp_url):
    publisher = Publisher(amqp_url, "relay")
    yield Relay(database, publisher)
    publisher.close()


def test_while_a_backup_begins_a_relay_rests_and_whoever_tells_does_not_wait(
    database, topology, relay, broker
):
    with database.engine.connect() as backup:
        assert backup.execute(select(func.get_lock(outbox.RELAYS_REST, 0))).scalar() == 1
        append(database, "patient")
        assert relay.run_once() == 0
        orders_in(broker, 0)
        assert len(waiting(database)) == 1
        backup.execute(select(func.release_lock(outbox.RELAYS_REST)))

    assert relay.run_once() == 1
    assert orders_in(broker, 1) == ["patient"]


def test_what_was_rolled_back_is_never_told(database, topology, relay, broker):
    def change_its_mind(session):
        outbox.append(session, OrderRejected(order_id="never", reason="x"), version=1)
        raise LookupError

    with pytest.raises(LookupError):
        database.run(change_its_mind)
    append(database, "real")

    assert relay.run_once() == 1
    assert orders_in(broker, 1) == ["real"]


def test_what_is_not_committed_yet_is_not_told_yet(database, topology, relay, broker):
    with database.sessions.begin() as session:
        outbox.append(session, OrderRejected(order_id="slow", reason="x"), version=1)
        session.flush()
        append(database, "quick")
        assert relay.run_once() == 1

    # It committed late with the lower number: polling by the highest number seen would lose it.
    assert relay.run_once() == 1
    assert orders_in(broker, 2) == ["quick", "slow"]


def test_events_go_out_in_order_and_are_forgotten_when_confirmed(
    database, topology, relay, broker, monkeypatch
):
    monkeypatch.setattr("common.relay.BATCH", 200)
    monkeypatch.setattr("common.relay.PART", 80)
    orders = [f"order-{number:03d}" for number in range(450)]
    append(database, *orders)

    assert [relay.run_once() for _ in range(4)] == [240, 210, 0, 0]

    assert waiting(database) == []
    assert orders_in(broker, 450) == orders


def test_a_message_carries_what_brokers_and_readers_need(database, topology, relay, broker):
    append(database, "order-1")
    (row,) = waiting(database)
    relay.run_once()

    body, properties = eventually(lambda: broker.take(QUEUE))

    message = orjson.loads(body)
    assert properties.message_id == message["id"] == str(row.event_id)
    assert properties.type == message["type"] == "OrderRejected"
    assert properties.correlation_id == message["correlationid"] == "c" * 32
    assert properties.content_type == "application/cloudevents+json"
    assert properties.delivery_mode == 2
    assert abs(properties.timestamp - utcnow().timestamp()) < 60
    assert (message["actor"], message["subject"]) == ("user/5", "order/order-1")


def test_what_nobody_is_bound_for_waits_and_goes_out_after_the_binding(
    database, topology, relay, broker, monkeypatch
):
    monkeypatch.setattr(outbox, "FIRST_DELAY_SECONDS", 60)
    broker.channel.queue_unbind(QUEUE, EVENTS_EXCHANGE, OrderRejected.routing_key())
    append(database, "order-1")

    assert relay.run_once() == 0
    (row,) = waiting(database)
    assert row.attempts == 1
    assert row.next_attempt_at > utcnow()

    broker.channel.queue_bind(QUEUE, EVENTS_EXCHANGE, OrderRejected.routing_key())
    assert relay.run_once() == 0, "it must wait for its time"
    due_again(database)
    assert relay.run_once() == 1
    assert waiting(database) == []
    assert orders_in(broker, 1) == ["order-1"]


def test_one_event_that_nobody_takes_holds_nobody_up(database, topology, relay, broker, events):
    # Of a version that no queue of this broker is bound to, whoever else declared some here.
    lonely = events.placed("lonely").model_copy(update={"dataschemaversion": "99"})
    with database.sessions.begin() as session:
        outbox.append_all(session, [lonely, events.rejected("order-2")])

    assert relay.run_once() == 1

    assert [row.type for row in waiting(database)] == ["OrderPlaced"]
    assert orders_in(broker, 1) == ["order-2"]


def test_waits_grow_to_a_minute_and_no_further(database):
    append(database, "order-1")
    now, delays = utcnow(), []
    for _ in range(9):

        def postpone(session):
            outbox.postpone(session, list(session.scalars(select(outbox_messages.c.seq))), now=now)

        database.run(postpone)
        delays.append(round((waiting(database)[0].next_attempt_at - now).total_seconds()))

    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_depth_and_age_tell_how_far_behind_the_relay_is(database):
    assert database.read(outbox.backlog) == (0, 0.0)
    append(database, "a", "b")
    past = update(outbox_messages).values(occurred_at=utcnow() - timedelta(seconds=90))
    database.run(lambda session: session.execute(past.where(outbox_messages.c.seq > 0)))

    depth, age = database.read(outbox.backlog)

    assert depth == 2
    assert 89 < age < 120


def test_without_a_broker_nothing_is_lost_and_the_alarm_still_sees_it(database, in_thread):
    """The age must grow while the broker is away: that is when somebody needs to know."""
    append(database, "order-1")
    past = update(outbox_messages).values(occurred_at=utcnow() - timedelta(seconds=500))
    database.run(lambda session: session.execute(past))
    OUTBOX_DEPTH.set(0)
    OUTBOX_OLDEST.set(0)
    nowhere = Publisher("amqp://nobody:x@127.0.0.1:1/souk", "relay")

    with in_thread(Relay(database, nowhere).run) as failures:
        eventually(lambda: OUTBOX_OLDEST._value.get() >= 500)
        eventually(lambda: OUTBOX_DEPTH._value.get() == 1)

    assert failures == []
    assert len(waiting(database)) == 1


class Wire:
    """A cable to the broker that can be cut."""

    def __init__(self, host, port):
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._pairs = []
        self.connections = 0
        self.seen = 0
        self.cut_after = None
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(self._target)
            self._pairs += [client, server]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source, sink):
        try:
            while data := source.recv(65536):
                self.seen += len(data)
                if self.cut_after is not None and self.seen > self.cut_after:
                    self.cut_after = None
                    self.cut()
                    return
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                end.close()

    def cut(self):
        pairs, self._pairs = self._pairs, []
        for end in pairs:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def close(self):
        self._listener.close()
        self.cut()


@pytest.fixture
def wire(amqp_url):
    there = URLParameters(amqp_url)
    made = Wire(there.host, there.port)
    made.url = amqp_url.replace(f"{there.host}:{there.port}/", f"127.0.0.1:{made.port}/")
    yield made
    made.close()


@pytest.mark.parametrize("after", [3_000, 20_000, 60_000])
def test_a_cable_cut_in_the_middle_of_a_batch_loses_nothing(
    database, topology, broker, wire, in_thread, after
):
    orders = [f"order-{number:03d}" for number in range(150)]
    append(database, *orders)
    wire.cut_after = after

    with in_thread(Relay(database, Publisher(wire.url, "relay")).run) as failures:
        eventually(lambda: waiting(database) == [])

    assert failures == []
    assert wire.connections >= 2, "the cable was never cut: the test proves nothing"
    arrived = orders_in(broker, broker.depth(QUEUE))
    assert set(arrived) == set(orders)
    assert arrived[-150:] == orders


def test_a_connection_that_breaks_between_batches_is_made_anew(
    database, topology, broker, wire, in_thread
):
    with in_thread(Relay(database, Publisher(wire.url, "relay")).run) as failures:
        append(database, "before")
        eventually(lambda: waiting(database) == [])
        wire.cut()
        append(database, "after")
        eventually(lambda: waiting(database) == [])

    assert failures == []
    assert orders_in(broker, 2) == ["before", "after"]


def test_a_broker_that_never_confirms_is_unavailable_and_keeps_nobody_waiting(wire, topology):
    publisher = Publisher(wire.url, "tests")
    publisher.connect()
    message = Outgoing(id="1", type="x", body=b"{}", routing_key="x", timestamp=0)
    wire.cut()

    with pytest.raises(BrokerUnavailable):
        publisher.publish([message], EVENTS_EXCHANGE, timeout=2)

    assert publisher.publish([message], EVENTS_EXCHANGE) == {"1"}, "it must heal, and refuse"
    publisher.close()


def test_an_exchange_that_is_not_there_is_a_failure_and_not_a_success(amqp_url):
    publisher = Publisher(amqp_url, "tests")
    message = Outgoing(id="1", type="x", body=b"{}", routing_key="x", timestamp=0)

    with pytest.raises(BrokerUnavailable, match="no exchange"):
        publisher.publish([message], "souk.nowhere")

    publisher.close()


def test_closing_a_publisher_does_not_sit_out_its_time_limit(amqp_url):
    """The fallback ends the closing handshake after a second; the handshake itself is quicker."""

    def seconds_to_close():
        publisher = Publisher(amqp_url, "tests")
        publisher.connect()
        began = time.monotonic()
        publisher.close()
        return time.monotonic() - began

    assert min(seconds_to_close() for _ in range(5)) < 0.9


def test_two_relays_share_the_work_and_lose_nothing(database, topology, broker, amqp_url):
    orders = [f"order-{number:04d}" for number in range(900)]
    append(database, *orders)
    start, lost_races = threading.Barrier(2), retries()

    def drain(_):
        publisher = Publisher(amqp_url, "relay")
        relay, moved = Relay(database, publisher), 0
        start.wait(timeout=10)
        while waiting(database):
            moved += relay.run_once()
        publisher.close()
        return moved

    with ThreadPoolExecutor(2) as pool:
        shares = list(pool.map(drain, range(2), timeout=60))

    assert sum(shares) == 900, "each event is claimed by one of them"
    assert sorted(orders_in(broker, 900)) == orders, "and published once"
    assert retries() == lost_races, "they got into each other's way"


def test_a_relay_that_dies_after_publishing_publishes_again(
    database, topology, broker, amqp_url, monkeypatch
):
    """At least once: what the broker has but the outbox does not know of goes out twice."""
    append(database, "order-1")
    publisher = Publisher(amqp_url, "relay")
    relay = Relay(database, publisher)

    def die(_session, _seqs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "settle", die)
        with pytest.raises(KeyboardInterrupt):
            relay.run_once()
    assert len(waiting(database)) == 1
    relay.run_once()

    assert orders_in(broker, 2) == ["order-1", "order-1"]
    publisher.close()


def test_a_relay_waits_for_its_database(topology, in_thread, amqp_url):
    nowhere = Database("mysql+pymysql://nobody:x@127.0.0.1:1/none")

    with in_thread(Relay(nowhere, Publisher(amqp_url, "relay")).run) as failures:
        threading.Event().wait(0.3)
        assert failures == []

    assert failures == []


def test_an_event_id_can_not_be_promised_twice(database, events):
    envelope = events.placed()
    database.run(lambda session: outbox.append_all(session, [envelope]))

    with pytest.raises(Exception, match="Duplicate entry"):
        database.run(lambda session: outbox.append_all(session, [envelope]))


def test_of_a_long_backlog_a_relay_holds_its_own_share_and_is_in_nobodys_way(database):
    append(database, *(f"order-{number}" for number in range(900)))
    with database.sessions() as first, database.sessions() as second:
        mine = [row.seq for row in outbox.claim(first, limit=200, now=utcnow())]
        yours = [row.seq for row in outbox.claim(second, limit=200, now=utcnow())]
        assert (len(mine), len(yours)) == (200, 200)
        assert max(mine) < min(yours)

        second.execute(text("SET innodb_lock_wait_timeout = 1"))
        outbox.settle(second, yours)
        second.commit()
        outbox.settle(first, mine)
        first.commit()

    assert len(waiting(database)) == 500


def test_a_claimed_event_is_invisible_to_the_next_relay(database):
    append(database, "a", "b", "c")
    with database.sessions() as first, database.sessions() as second:
        mine = outbox.claim(first, limit=2, now=utcnow())
        yours = outbox.claim(second, limit=2, now=utcnow())

        assert [row.seq for row in mine] < [row.seq for row in yours]
        assert (len(mine), len(yours)) == (2, 1)
