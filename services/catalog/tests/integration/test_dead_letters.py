# SPDX-License-Identifier: Apache-2.0
"""Dead letters that come back after the inbox has forgotten them change no stock twice."""

from uuid import uuid4

import pytest

from catalog.commands.reservations import Wish
from catalog.handlers import BATCH_HANDLERS, HANDLERS
from catalog.models import LedgerEntry, Reservation, Stock
from common.amqp import Topology
from common.contracts import SUBSCRIPTIONS, OrderCancelled, OrderLine, OrderPlaced, OrderRejected
from common.events import Envelope
from common.testing.afterlife import afterlife
from support.reserving import reserve_one

TOPOLOGY = Topology(service="catalog", events=SUBSCRIPTIONS["catalog"])


@pytest.fixture
def consumer(database, amqp_url, fresh_queues):
    fresh_queues(TOPOLOGY)
    with afterlife(database, amqp_url, TOPOLOGY, HANDLERS, BATCH_HANDLERS) as running:
        yield running


@pytest.fixture
def lamp(sell):
    return sell("Lamp", quantity=5)


@pytest.fixture
def order(database, lamp):
    """An order that holds two of the five lamps."""
    order_id = uuid4()
    wish = Wish(lines={lamp.id: 2}, prices={}, total=None)
    reserve_one(database, order_id=order_id, wish=wish)
    return order_id


@pytest.fixture
def state(database, lamp, order):
    """Units on hand and reserved, the reservation's status, and how long the ledger is."""

    def read(session):
        stock = session.get(Stock, lamp.id)
        entries = session.query(LedgerEntry).filter_by(product_id=lamp.id).count()
        return stock.on_hand, stock.reserved, session.get(Reservation, order).status, entries

    return lambda: database.read(read)


def told(kind, order, lamp):
    line = OrderLine(product_id=lamp.id, quantity=2, unit_price=1000)
    event = kind(order_id=str(order), customer_id=5, items=[line], total=2000, currency="USD")
    return Envelope.seal(event, aggregate_version=2)


def test_an_order_is_sold_once(consumer, order, lamp, state):
    placed = told(OrderPlaced, order, lamp)
    consumer.tell(placed)
    sold = state()
    assert sold[:3] == (3, 0, "sold")

    consumer.forget()
    consumer.bring_back(placed)

    assert state() == sold
    assert consumer.is_empty()


def test_an_order_is_put_back_once_whichever_letter_comes_last(consumer, order, lamp, state):
    placed, cancelled = told(OrderPlaced, order, lamp), told(OrderCancelled, order, lamp)
    consumer.tell(placed)
    consumer.tell(cancelled)
    put_back = state()
    assert put_back[:3] == (5, 0, "cancelled")

    consumer.forget()
    consumer.bring_back(cancelled)
    consumer.bring_back(placed)

    assert state() == put_back
    assert consumer.is_empty()


def test_an_order_is_released_once(consumer, order, state):
    rejected = Envelope.seal(OrderRejected(order_id=str(order), reason="x"), aggregate_version=2)
    consumer.tell(rejected)
    released = state()
    assert released[:3] == (5, 0, "released")

    consumer.forget()
    consumer.bring_back(rejected)

    assert state() == released
