# SPDX-License-Identifier: Apache-2.0
"""An event reaches every reader, also one that has not declared its queues yet, or lost them."""

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from common import outbox, relay
from common.amqp import Publisher, QueuesMissing, readers, readers_of
from common.amqp.topology import EVENTS_EXCHANGE
from common.contracts import OrderRejected
from common.outbox import outbox_messages
from common.relay import Relay
from common.testing import eventually

CATALOGS, ANALYTICS = "catalog.order_rejected", "analytics.order_rejected"


@pytest.fixture(autouse=True)
def quick_to_look(monkeypatch):
    monkeypatch.setattr(relay, "TROUBLE_SECONDS", 0.05)
    monkeypatch.setattr(readers, "LOOK_SECONDS", 0.05)


@pytest.fixture
def late(fresh_readers):
    """The one reader of orders' events that is not there yet; all others are."""
    fresh_readers("orders")
    return next(reader for reader in readers_of("orders") if reader.service == "analytics")


@pytest.fixture
def missing(late, broker):
    """The late reader's queues, which are not there, those for dead letters neither."""
    for queue in late.queues():
        broker.channel.queue_delete(queue.name)
    return late.queue_names()


@pytest.fixture
def logs():
    with capture_logs() as entries:
        yield entries


@pytest.fixture
def relaying(database, amqp_url, in_thread):
    """A relay of orders, beside the test."""
    publisher = Publisher(amqp_url, "relay", readers=readers_of("orders"))
    with in_thread(Relay(database, publisher).run) as failures:
        yield
    assert failures == []


def tell(database, events, order):
    database.run(lambda session: outbox.append_all(session, [events.rejected(order)]))


def waits(database):
    count = outbox_messages.select()
    return len(database.read(lambda session: session.execute(count).all()))


def rounds_without_a_queue():
    labels = {"reason": "no_queue"}
    return REGISTRY.get_sample_value("souk_events_publish_failures_total", labels) or 0


def rounds_go_by(count=3):
    goal = rounds_without_a_queue() + count
    eventually(lambda: rounds_without_a_queue() >= goal, what="rounds of a waiting relay")


def said(logs, event):
    return [entry for entry in logs if entry["event"] == event]


def test_an_event_waits_for_the_last_reader_and_then_reaches_all(
    database, events, missing, late, logs, relaying, broker, amqp_url
):
    tell(database, events, "first")
    rounds_go_by()

    assert waits(database) == 1
    assert broker.depth(CATALOGS) == 0
    [line] = said(logs, "publisher_waits_for_readers")
    assert line["missing_queues"] == missing

    late.declare(amqp_url)

    eventually(lambda: broker.depth(ANALYTICS) == broker.depth(CATALOGS) == 1)
    eventually(lambda: waits(database) == 0)
    assert len(said(logs, "readers_are_there")) == 1


def test_without_the_look_the_last_reader_never_hears_of_it(
    database, events, missing, late, broker, amqp_url, in_thread
):
    """The control: the broker is content with one reader."""
    tell(database, events, "first")
    with in_thread(Relay(database, Publisher(amqp_url, "relay")).run):
        eventually(lambda: broker.depth(CATALOGS) == 1)
        late.declare(amqp_url)
        tell(database, events, "second")
        eventually(lambda: broker.depth(CATALOGS) == 2)

    eventually(lambda: broker.depth(ANALYTICS) == 1)
    body, _ = broker.take(ANALYTICS)
    assert b"second" in body


def test_a_queue_that_is_deleted_while_the_relay_works_is_waited_for(
    database, events, late, relaying, broker, amqp_url, monkeypatch
):
    tell(database, events, "before")
    eventually(lambda: broker.depth(ANALYTICS) == 1)
    broker.channel.queue_delete(ANALYTICS)
    monkeypatch.setattr(readers, "LOOK_SECONDS", 0)

    tell(database, events, "between")
    rounds_go_by()
    assert waits(database) == 1

    late.declare(amqp_url)
    eventually(lambda: broker.depth(ANALYTICS) == 1)
    assert b"between" in broker.take(ANALYTICS)[0]


def test_a_new_connection_looks_at_once(late, broker, amqp_url, monkeypatch):
    monkeypatch.setattr(readers, "LOOK_SECONDS", 3600)
    publisher = Publisher(amqp_url, "relay", readers=readers_of("orders"))
    publisher.connect()
    broker.channel.queue_delete(ANALYTICS)
    publisher.connect()
    publisher.close()

    with pytest.raises(QueuesMissing):
        publisher.connect()
    publisher.close()


def test_a_queue_that_is_there_and_not_yet_bound_is_missing(late, broker, amqp_url):
    """A reader declares its queue for dead letters last, when the one for events is bound."""
    broker.channel.queue_unbind(ANALYTICS, EVENTS_EXCHANGE, OrderRejected.routing_key())
    broker.channel.queue_delete(f"{ANALYTICS}.dead")
    publisher = Publisher(amqp_url, "relay", readers=readers_of("orders"))

    with pytest.raises(QueuesMissing, match=ANALYTICS):
        publisher.connect()
    publisher.close()
