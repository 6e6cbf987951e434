# SPDX-License-Identifier: Apache-2.0
"""Events put into one service's own queues again: as they were, for it alone, without effect."""

import socket
import threading
from datetime import timedelta

import pytest

from common import inbox, replay
from common.amqp import Topology
from common.amqp.consumer import ATTEMPT_HEADER
from common.clock import utcnow
from common.contracts import OrderCancelled, OrderPlaced, OrderRejected
from common.events import Envelope
from common.problems import Unavailable, Unprocessable
from common.replay import MOST_EVENTS, Replayer
from common.subscriber import Subscriber
from common.testing import eventually, ever_within

PLACED = "testing.order_placed"


@pytest.fixture
def replayer(amqp_url, topology, monkeypatch):
    monkeypatch.setattr(replay, "BROKER_SECONDS", 30.0)  # a busy machine is no fault of it
    return Replayer(amqp_url, topology)


@pytest.fixture
def consume(shop, amqp_url, topology):
    """A subscriber whose effect is not idempotent by itself: it adds the units to a counter."""

    def on_order_placed(session, event, _envelope):
        shop.add(session, event.order_id, event.items[0].quantity)

    def on_order_rejected(session, event, _envelope):
        shop.add(session, f"rejected-{event.order_id}")

    handlers = {OrderPlaced: on_order_placed, OrderRejected: on_order_rejected}
    return Subscriber(shop.database, amqp_url, topology, handlers).run


def test_an_event_is_put_again_as_it_was_told(replayer, broker, events):
    envelope = events.placed("order-1")

    replayer.put([envelope.to_json()])

    body, properties = broker.take(PLACED)
    assert body == envelope.to_json()
    assert properties.message_id == str(envelope.id)
    assert properties.correlation_id == envelope.correlationid
    assert (properties.type, properties.delivery_mode) == ("OrderPlaced", 2)
    assert ATTEMPT_HEADER not in (properties.headers or {})


def test_a_field_of_a_later_version_is_kept(replayer, broker, events):
    """What the reader does not know is no reason to lose it."""
    body = events.placed("order-1").to_json()[:-1] + b',"newer":"\xc3\xa9"}'

    replayer.put([body])

    assert broker.take(PLACED)[0] == body


def test_events_that_are_put_twice_and_in_disorder_have_their_effects_once(
    replayer, publish, shop, consume, events, in_thread, broker
):
    first, second = events.placed("order-1", units=3), events.placed("order-2", units=4)
    third = events.rejected("order-3")
    publish(first, second, third)
    bodies = [envelope.to_json() for envelope in (third, second, first)]
    last = events.rejected("last")

    with in_thread(consume):
        eventually(lambda: shop.value("rejected-order-3"))
        replayer.put(bodies)
        replayer.put(bodies[::-1])
        publish(last)
        eventually(lambda: shop.value("rejected-last"))
        eventually(lambda: broker.depth(PLACED) == 0)

    assert (shop.value("order-1"), shop.value("order-2")) == (3, 4)
    assert shop.value("rejected-order-3") == 1


def test_without_the_inbox_a_replay_counts_twice(
    replayer, publish, shop, consume, events, in_thread, monkeypatch
):
    """The control of the test above."""
    monkeypatch.setattr(inbox, "remember_new", lambda *_: set())
    event = events.placed("order-1", units=3)

    with in_thread(consume):
        publish(event)
        eventually(lambda: shop.value("order-1") == 3)
        replayer.put([event.to_json()])
        eventually(lambda: shop.value("order-1") == 6)


def test_nobody_else_hears_a_replay(replayer, broker, events, fresh_queues):
    other = Topology(service="bystander", events=(OrderPlaced,))
    fresh_queues(other)

    replayer.put([events.placed("order-1").to_json()])

    assert broker.depth(PLACED) == 1
    assert broker.depth("bystander.order_placed") == 0


def cancelled():
    event = OrderCancelled(order_id="o", customer_id=1, items=[], total=0, currency="USD")
    return Envelope.seal(event, aggregate_version=2).to_json()


@pytest.mark.parametrize("body", [b"{}", b"not json", cancelled()], ids=["empty", "no", "foreign"])
def test_what_the_service_does_not_read_is_refused_with_all_its_company(
    replayer, broker, events, body
):
    with pytest.raises(Unprocessable) as refusal:
        replayer.put([events.placed().to_json(), body])

    assert list(refusal.value.errors["events"]) == ["1"]
    assert broker.depth(PLACED) == 0


@pytest.mark.usefixtures("replayer")
def test_what_the_service_may_have_forgotten_is_refused(amqp_url, topology, broker, events):
    replayer = Replayer(amqp_url, topology, kept=timedelta(days=30))

    def told_before(**ago):
        return events.placed().model_copy(update={"time": utcnow() - timedelta(**ago)}).to_json()

    with pytest.raises(Unprocessable, match="something in it is wrong") as refusal:
        replayer.put([told_before(days=30, minutes=1)])
    replayer.put([told_before(days=29)])

    assert refusal.value.errors == {"events": {"0": ["happened more than 30 days ago"]}}
    assert broker.depth(PLACED) == 1


def test_a_queue_that_is_not_there_is_no_success(amqp_url, topology, broker, events):
    broker.channel.queue_delete(PLACED)

    with pytest.raises(Unavailable):
        Replayer(amqp_url, topology).put([events.placed().to_json()])


def test_without_the_services_exchange_the_answer_is_no(amqp_url, events):
    never_declared = Topology(service="never", events=(OrderPlaced,))

    with pytest.raises(Unavailable):
        Replayer(amqp_url, never_declared).put([events.placed().to_json()])


@pytest.mark.parametrize("is_there", [True, False], ids=["hangs", "gone"])
def test_a_broker_that_is_away_is_noticed_within_three_seconds(topology, events, is_there):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if is_there else 1
        replayer = Replayer(f"amqp://u:p@127.0.0.1:{port}/x", topology)

        def refused():
            with pytest.raises(Unavailable):
                replayer.put([events.placed().to_json()])

        assert ever_within(3, refused)


def test_many_events_go_in_one_go(replayer, broker, events):
    bodies = [events.placed(f"order-{number}").to_json() for number in range(MOST_EVENTS)]
    threads = [threading.Thread(target=replayer.put, args=(bodies,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert broker.depth(PLACED) == 2 * MOST_EVENTS
