# SPDX-License-Identifier: Apache-2.0
"""Who waits for a message or for the bell ends at once when told to, however long it would wait."""

import threading
from contextlib import contextmanager

import pytest

from common import relay, stopping, subscriber
from common.amqp import Consumer, Publisher
from common.bell import Bell
from common.contracts.orders import OrderPlaced, OrderRejected
from common.relay import Relay
from common.subscriber import Subscriber

FOR_GOOD = 600.0
A_MOMENT = 0.3


@pytest.fixture
def reading(shop, amqp_url, topology, monkeypatch):
    """A subscriber that has found nothing, once ``waits`` is set, and waits for messages."""
    receive, waits = Consumer.receive, threading.Event()

    def receive_nothing(consumer, *, wait, or_until):
        def is_over():
            # Set after the look: from now on only a word makes it look again.
            over = or_until()
            waits.set()
            return over

        return receive(consumer, wait=wait, or_until=is_over)

    monkeypatch.setattr(Consumer, "receive", receive_nothing)
    monkeypatch.setattr(subscriber, "RECEIVE_SECONDS", FOR_GOOD)
    handlers = {OrderPlaced: lambda *_: None, OrderRejected: lambda *_: None}
    return Subscriber(shop.database, amqp_url, topology, handlers), waits


@pytest.fixture
def relaying(shop, amqp_url, monkeypatch):
    """A relay that has found nothing, once ``waits`` is set, and waits for its bell."""

    class Waits(Bell):
        def wait(self, seconds):
            waits.set()
            return super().wait(seconds)

    waits = threading.Event()
    for name in ("BUSY_SECONDS", "IDLE_SECONDS"):
        monkeypatch.setattr(relay, name, FOR_GOOD)
    made = Relay(shop.database, Publisher(amqp_url, "relay"), Waits("127.0.0.1", 0))
    return made, waits


@contextmanager
def running(task):
    stop = threading.Event()
    thread = threading.Thread(target=task, args=(stop,))
    thread.start()
    try:
        yield stop, thread
    finally:
        stop.set()
        thread.join(timeout=15)
    assert not thread.is_alive()


def test_a_subscriber_that_waits_for_messages_ends_at_once(reading):
    made, waits = reading
    with running(made.run):
        assert waits.wait(10)


def test_without_the_word_it_waits_on(reading, monkeypatch):
    made, waits = reading
    word = Consumer.wake
    monkeypatch.setattr(Consumer, "wake", lambda _consumer: None)
    with running(made.run) as (stop, thread):
        assert waits.wait(10)
        stop.set()
        thread.join(A_MOMENT)
        assert thread.is_alive()
        word(made._consumer)


def test_a_relay_that_waits_for_its_bell_ends_at_once(relaying):
    made, waits = relaying
    with running(made.run):
        assert waits.wait(10)


def test_without_a_ring_it_waits_on(relaying, monkeypatch):
    made, waits = relaying
    ring = Bell.wake
    monkeypatch.setattr(Bell, "wake", lambda _bell: None)
    with running(made.run) as (stop, thread):
        assert waits.wait(10)
        stop.set()
        thread.join(A_MOMENT)
        assert thread.is_alive()
        ring(made._bell)


def test_a_bell_that_is_closed_or_was_never_heard_can_be_woken():
    first = Bell("127.0.0.1", 0)
    second = Bell(*first.socket.getsockname())
    for bell in (second, first):
        bell.wake()
        bell.close()
        bell.wake()


def test_who_is_told_before_it_waits_is_woken_all_the_same():
    stop, woken = threading.Event(), threading.Event()
    stop.set()
    stopping.on_stop(stop, woken.set)
    assert woken.wait(10)
