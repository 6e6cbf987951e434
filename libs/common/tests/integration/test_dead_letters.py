# SPDX-License-Identifier: Apache-2.0
"""Dead letters on the real broker: looked at without a loss, sent back without a second effect."""

import threading
import time

import orjson
import pytest
from apiflask import APIFlask
from pika import BasicProperties

from common import dead_letters, inbox, subscriber
from common.amqp import BrokerUnavailable, Graveyard, graveyard
from common.amqp.topology import DEAD_EXCHANGE, DELIVERY_LIMIT, EVENTS_EXCHANGE
from common.contracts import OrderPlaced, OrderRejected
from common.dead_letters import DeadLetters
from common.problems import Unavailable
from common.subscriber import Subscriber
from common.testing import eventually

PLACED = "testing.order_placed"
REJECTED = "testing.order_rejected"
EVERYTHING = {"ids": None, "event_type": None, "limit": 100, "dry_run": False}


@pytest.fixture(autouse=True)
def quick_to_stop(monkeypatch):
    monkeypatch.setattr(subscriber, "RECEIVE_SECONDS", 0.05)


@pytest.fixture
def letters(amqp_url, topology):
    return DeadLetters(amqp_url, topology)


@pytest.fixture
def bury(broker, topology):
    """Puts bodies among the dead as the subscriber does, without the six attempts before."""

    def put(*bodies, queue=PLACED, **headers):
        headers = {
            "x-souk-attempt": 6,
            "x-souk-reason": "LookupError: nothing",
            "x-souk-died-at": "2026-11-20T12:00:00.000Z",
            **headers,
        }
        for body in bodies:
            broker.channel.basic_publish(
                DEAD_EXCHANGE, f"{queue}.dead", body, BasicProperties(headers=headers)
            )
        eventually(lambda: broker.depth(f"{queue}.dead") >= len(bodies))

    return put


def listed(letters, **wanted):
    found = letters.list(**{"event_type": None, "limit": 100} | wanted)
    return [letter.handle for letter in found.items]


def test_a_letter_tells_all_that_is_known_of_it(shop, letters, bury, events):
    event = events.placed("order-7")
    bury(event.to_json())

    found = letters.list(event_type=None, limit=10)

    assert found.total == 1
    assert found.items[0].model_dump() == {
        "id": str(event.id),
        "handle": str(event.id),
        "consumer": "testing",
        "event_type": "OrderPlaced",
        "subject": "order/order-7",
        "reason": "failed",
        "error": "LookupError: nothing",
        "attempts": 6,
        "died_at": "2026-11-20T12:00:00.000Z",
        "correlation_id": event.correlationid,
        "data": event.data,
    }


def test_looking_takes_nothing_and_keeps_the_order(letters, bury, events, broker):
    told = [events.placed(f"order-{number}") for number in range(20)]
    bury(*(one.to_json() for one in told))
    ids = [str(one.id) for one in told]

    assert listed(letters, limit=3) == ids[:3]
    assert [listed(letters) for _ in range(3)] == [ids] * 3
    assert listed(letters, limit=7) == ids[:7]
    assert broker.depth(f"{PLACED}.dead") == 20
