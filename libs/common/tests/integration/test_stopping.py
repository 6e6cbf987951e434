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
    made = Subscriber(shop.database, amqp_url, topology, handlers)
    return made, waits, Consumer, lambda: made._consumer


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
    bell = Waits("127.0.0.1", 0)
    return Relay(shop.database, Publisher(amqp_url, "relay"), bell), waits, Bell, lambda: bell


@pytest.fixture(params=["reading", "relaying"])
def idle(request):
    """A task that waits once the second is set, and who wakes it: a class, and which of them."""
    return request.getfixturevalue(request.param)


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


def test_who_waits_ends_at_once(idle):
    made, waits, *_ = idle
    with running(made.run):
        assert waits.wait(10)


def test_without_the_word_it_waits_on(idle, monkeypatch):
    made, waits, kind, waker = idle
    word = kind.wake
    monkeypatch.setattr(kind, "wake", lambda _waker: None)
    with running(made.run) as (stop, thread):
        assert waits.wait(10)
        stop.set()
        thread.join(A_MOMENT)
        assert thread.is_alive()
        word(waker())


def test_a_bell_wakes_itself_and_no_other_and_none_once_it_is_closed():
    first = Bell("127.0.0.1", 0)
    unheard = Bell(*first.socket.getsockname())

    unheard.wake()
    assert not first.wait(0)
    first.wake()
    assert first.wait(1)
    assert first.hush()

    for bell in (unheard, first):
        bell.close()
        bell.wake()


def test_who_is_told_before_it_waits_is_woken_all_the_same():
    stop, woken = threading.Event(), threading.Event()
    stop.set()
    stopping.on_stop(stop, woken.set)
    assert woken.wait(10)
