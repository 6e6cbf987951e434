# SPDX-License-Identifier: Apache-2.0
"""kill -9 in the middle of an event's transaction: the event comes again, the effect comes once."""

import os
import signal
import threading

import pytest

from common.contracts import OrderPlaced, OrderRejected
from common.db import Database
from common.subscriber import Subscriber
from common.testing import eventually
from common.testing.processes import fork


@pytest.fixture
def consume(shop, schema_url, amqp_url, topology):
    """Counts units until its stop signal; *then* is done after each effect, before its commit."""

    def run(stop, then=lambda: None):
        def on_order_placed(session, event, _envelope):
            shop.add(session, event.order_id, event.items[0].quantity)
            then()

        handlers = {OrderPlaced: on_order_placed, OrderRejected: lambda *_: None}
        database = Database(schema_url)
        try:
            Subscriber(database, amqp_url, topology, handlers).run(stop)
        finally:
            database.dispose()

    return run


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_worker_had_not_committed_when_it_was_killed_is_done_by_the_next(
    shop, publish, events, consume, in_thread
):
    one, other = events.placed("order-1", units=3), events.placed("order-2", units=4)
    publish(other, one, one)
    worker = fork(consume, threading.Event(), die)
    worker.join(timeout=30)
    assert worker.exitcode == -signal.SIGKILL
    assert (shop.value("order-1"), shop.value("order-2")) == (None, None)

    with in_thread(consume):
        eventually(lambda: shop.count("inbox_messages") == 2, what="the next worker's effects")
        publish(one, other)
        publish(events.placed("last"))
        eventually(lambda: shop.value("last") == 1)

    assert (shop.value("order-1"), shop.value("order-2")) == (3, 4)
