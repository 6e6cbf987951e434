# SPDX-License-Identifier: Apache-2.0
"""What can not be handled, however large, dies after its attempts, and nobody waits behind it."""

import orjson
import pytest

from common.amqp.topology import EVENTS_EXCHANGE
from common.contracts import OrderPlaced, OrderRejected
from common.logs import configure_logs
from common.subscriber import MOST_ATTEMPTS, Subscriber
from common.testing import eventually

PLACED = "testing.order_placed"
DEAD = f"{PLACED}.dead"
MEGABYTE = 1_000_000


@pytest.fixture(autouse=True)
def as_a_worker_runs():
    # What logs look like before this shows every local variable, and takes long over a megabyte.
    configure_logs("testing")


@pytest.fixture
def counting(shop, amqp_url, topology):
    """Counts units by order, and how often each event was tried."""

    class Counting:
        def __init__(self):
            self.calls = []

        def on_order_placed(self, session, event, envelope):
            self.calls.append(envelope.id)
            # A counter's name has at most 64 characters: the database refuses a longer one.
            shop.add(session, event.order_id, event.items[0].quantity)

        def run(self, stop):
            handlers = {OrderPlaced: self.on_order_placed, OrderRejected: lambda *_: None}
            Subscriber(shop.database, amqp_url, topology, handlers).run(stop)

    return Counting()


def version_9(events):
    return orjson.dumps(orjson.loads(events.placed().to_json()) | {"dataschemaversion": "9"})


def bad_json(_events):
    return b'{"id": '


def junk(_events):
    return b"x" * MEGABYTE


def large_and_unreadable(events):
    return events.placed().to_json()[:-1] + b" " * MEGABYTE


@pytest.mark.parametrize("poison", [bad_json, version_9, junk, large_and_unreadable])
def test_what_nobody_can_read_is_tried_never_and_the_others_flow(
    shop, counting, publish, events, in_thread, broker, poison
):
    good = [events.placed(f"order-{number}") for number in range(20)]
    publish(*good[:10])
    for _ in range(3):
        broker.channel.basic_publish(EVENTS_EXCHANGE, OrderPlaced.routing_key(), poison(events))
    publish(*good[10:], *good)

    with in_thread(counting.run) as failures:
        eventually(lambda: broker.depth(DEAD) == 3)
        eventually(lambda: shop.count("inbox_messages") == 20)
        eventually(lambda: broker.depth(PLACED) == 0)

    assert [shop.value(f"order-{number}") for number in range(20)] == [1] * 20
    assert broker.depth(f"{PLACED}.retry") == 0
    assert set(counting.calls) == {one.id for one in good}
    assert failures == []


def test_a_readable_megabyte_that_fails_is_tried_as_often_as_was_set_and_the_others_flow(
    shop, counting, publish, events, in_thread, broker
):
    heavy = events.placed("x" * MEGABYTE)
    good = [events.placed(f"order-{number}") for number in range(20)]
    publish(*good[:10], heavy, *good[10:])
    publish(*good[::-1])

    with in_thread(counting.run) as failures:
        eventually(lambda: broker.depth(DEAD) == 1, seconds=30)
        publish(events.placed("last"))
        eventually(lambda: shop.value("last") == 1)

    body, properties = broker.take(DEAD)
    assert body == heavy.to_json()
    assert properties.headers["x-souk-attempt"] == MOST_ATTEMPTS
    assert [shop.value(f"order-{number}") for number in range(20)] == [1] * 20
    assert failures == []
    before_its_last = counting.calls[: last_of(counting.calls, heavy.id)]
    assert {one.id for one in good} < set(before_its_last), "the good ones did not wait for it"


def last_of(things, wanted):
    return max(number for number, thing in enumerate(things) if thing == wanted)
