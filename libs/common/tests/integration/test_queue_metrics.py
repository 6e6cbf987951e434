# SPDX-License-Identifier: Apache-2.0
"""What the metrics say of queues: how many wait, are retried and are dead, and how late all is."""

import threading

import pytest
from prometheus_client import REGISTRY

from common import subscriber
from common.contracts import OrderPlaced, OrderRejected
from common.metrics import QUEUE_MESSAGES
from common.problems import Unavailable
from common.subscriber import MOST_ATTEMPTS, Subscriber
from common.testing import eventually

PLACED = "testing.order_placed"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(subscriber, "RECEIVE_SECONDS", 0.05)
    monkeypatch.setattr(subscriber, "TROUBLE_SECONDS", 0.05)
    monkeypatch.setattr(subscriber, "MEASURE_SECONDS", 0.1)
    QUEUE_MESSAGES.clear()


@pytest.fixture
def handle(database, amqp_url, topology, in_thread):
    """Runs a subscriber that does *work* for each order that was placed."""

    def run(work):
        handlers = {OrderPlaced: work, OrderRejected: lambda *_: None}
        return in_thread(Subscriber(database, amqp_url, topology, handlers).run)

    return run


def told(kind, queue=PLACED):
    labels = {"queue": queue, "kind": kind}
    return REGISTRY.get_sample_value("souk_queue_messages", labels)


def lag(part):
    labels = {"event": "OrderPlaced"}
    return REGISTRY.get_sample_value(f"souk_event_lag_seconds_{part}", labels) or 0.0


def fail(*_):
    raise LookupError("never")


def test_what_waits_is_told_with_what_the_worker_holds_already(handle, publish, events):
    """While the database is away all of them are in the worker's hands, and still not done."""

    def away(*_):
        raise Unavailable

    with handle(away):
        eventually(lambda: told("waiting") == 0, seconds=10, what="a look at the empty queue")
        publish(*(events.placed(f"order-{number}") for number in range(7)))
        eventually(lambda: told("waiting") == 7, seconds=10, what="seven that wait")


def test_what_failed_is_told_as_retried_and_then_as_dead(handle, publish, events, monkeypatch):
    monkeypatch.setattr(subscriber, "MOST_ATTEMPTS", 10_000)
    with handle(fail):
        publish(events.placed())
        eventually(lambda: told("retrying") == 1, seconds=10, what="one that waits for its turn")
        assert told("dead") == 0
        monkeypatch.setattr(subscriber, "MOST_ATTEMPTS", MOST_ATTEMPTS)
        eventually(lambda: told("dead") == 1, seconds=10, what="one that is given up")
        eventually(lambda: told("retrying") == 0, seconds=10, what="none to be tried again")


def test_nothing_is_told_of_queues_that_nobody_can_see(
    handle, topology, broker, monkeypatch, amqp_url
):
    with handle(fail):
        eventually(lambda: told("waiting") == 0, seconds=10, what="a look at the queue")
        is_back, declare = threading.Event(), type(topology).declare

        def wait_and_declare(self, url):
            is_back.wait(timeout=10)
            declare(self, url)

        monkeypatch.setattr(type(topology), "declare", wait_and_declare)
        broker.channel.queue_delete(f"{PLACED}.dead")
        eventually(lambda: told("waiting") is None, seconds=10, what="that nothing is known")
        is_back.set()
        eventually(lambda: told("dead") == 0, seconds=10, what="a look at the new queue")


def test_the_time_from_an_event_to_its_effect_is_told_once(handle, publish, events):
    before, took = lag("count"), lag("sum")
    event = events.placed()
    publish(event, event)
    with handle(lambda *_: None):
        eventually(lambda: lag("count") == before + 1, seconds=10, what="its lag")
        publish(event, events.placed("order-2"))
        eventually(lambda: lag("count") == before + 2, seconds=10, what="the second one's lag")

    assert 0 < lag("sum") - took < 10
