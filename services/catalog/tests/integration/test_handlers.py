# SPDX-License-Identifier: Apache-2.0
"""Orders' word reaches the stock through the real broker: twice, and in any order."""

import threading
from uuid import uuid4

import pytest

from catalog.commands.reservations import Wish
from catalog.handlers import BATCH_HANDLERS, HANDLERS
from catalog.models import Reservation, Stock
from common.amqp import Publisher, Topology
from common.amqp.publisher import Outgoing
from common.amqp.topology import EVENTS_EXCHANGE
from common.contracts import (
    SUBSCRIPTIONS,
    OrderCancelled,
    OrderLine,
    OrderPlaced,
    OrderRejected,
)
from common.events import Envelope
from common.subscriber import Subscriber
from common.testing import eventually
from support.reserving import reserve_one

TOPOLOGY = Topology(service="catalog", events=SUBSCRIPTIONS["catalog"])


def settled(kind, order, product, units):
    return kind(
        order_id=str(order),
        customer_id=5,
        items=[OrderLine(product_id=product.id, quantity=units, unit_price=1000)],
        total=1000 * units,
        currency="USD",
    )


@pytest.fixture
def publish(amqp_url, fresh_queues):
    fresh_queues(TOPOLOGY)
    publisher = Publisher(amqp_url, "tests")

    def send(*envelopes):
        refused = publisher.publish(
            [
                Outgoing(
                    id=str(envelope.id),
                    type=envelope.type,
                    body=envelope.to_json(),
                    routing_key=envelope.routing_key,
                    timestamp=0,
                )
                for envelope in envelopes
            ],
            EVENTS_EXCHANGE,
        )
        assert refused == set()

    yield send
    publisher.close()


@pytest.fixture
def consuming(database, amqp_url, publish):
    stop = threading.Event()
    subscriber = Subscriber(database, amqp_url, TOPOLOGY, HANDLERS, BATCH_HANDLERS)
    thread = threading.Thread(target=subscriber.run, args=(stop,))
    thread.start()
    yield
    stop.set()
    thread.join()


def state(database, product, order):
    with database.sessions() as session:
        stock = session.get(Stock, product.id)
        reservation = session.get(Reservation, order)
        return stock.on_hand, stock.reserved, reservation.status if reservation else None


@pytest.fixture
def reserve(database):
    def hold(product, units):
        order = uuid4()
        wish = Wish(lines={product.id: units}, prices={}, total=None)
        reserve_one(database, order_id=order, wish=wish)
        return order

    return hold


@pytest.fixture
def everything_before_is_handled(database, sell, reserve, publish):
    """Sells another order and waits for it: one queue is handled in its order."""

    def wait():
        cup = sell("Cup", quantity=1)
        order = reserve(cup, 1)
        publish(Envelope.seal(settled(OrderPlaced, order, cup, 1), aggregate_version=2))
        eventually(lambda: state(database, cup, order) == (0, 0, "sold"))

    return wait


@pytest.mark.parametrize("copies", ["one event", "two events"])
def test_a_placed_order_is_sold_once_however_often_it_is_told(
    database, sell, reserve, publish, consuming, everything_before_is_handled, copies
):
    lamp = sell("Lamp", quantity=5)
    order = reserve(lamp, 2)
    first = Envelope.seal(settled(OrderPlaced, order, lamp, 2), aggregate_version=2)
    second = Envelope.seal(settled(OrderPlaced, order, lamp, 2), aggregate_version=2)

    publish(first, first if copies == "one event" else second, first)
    everything_before_is_handled()

    assert state(database, lamp, order) == (3, 0, "sold")


def test_cancelled_before_placed_ends_in_full_stock(
    database, sell, reserve, publish, consuming, everything_before_is_handled
):
    lamp = sell("Lamp", quantity=5)
    order = reserve(lamp, 2)
    placed = Envelope.seal(settled(OrderPlaced, order, lamp, 2), aggregate_version=2)
    cancelled = Envelope.seal(settled(OrderCancelled, order, lamp, 2), aggregate_version=3)

    publish(cancelled, cancelled)
    eventually(lambda: state(database, lamp, order) == (5, 0, "cancelled"))
    publish(placed, placed)
    everything_before_is_handled()

    assert state(database, lamp, order) == (5, 0, "cancelled")


def test_a_rejected_order_gives_its_units_back(database, sell, reserve, publish, consuming):
    lamp = sell("Lamp", quantity=5)
    order = reserve(lamp, 2)
    rejected = Envelope.seal(OrderRejected(order_id=str(order), reason="x"), aggregate_version=2)

    publish(rejected, rejected)

    eventually(lambda: state(database, lamp, order) == (5, 0, "released"))
