# SPDX-License-Identifier: Apache-2.0
import re

import pytest

from common.amqp.connection import parameters
from common.amqp.topology import Topology, queue_name
from common.contracts import OrderPlaced, ProductViewed

TOPOLOGY = Topology(service="analytics", events=(OrderPlaced,), streams=(ProductViewed,))


def queues():
    return {queue.name: queue for queue in TOPOLOGY.queues()}


def test_a_service_has_three_queues_for_an_event_and_one_for_a_stream():
    assert list(queues()) == [
        "analytics.order_placed",
        "analytics.order_placed.retry",
        "analytics.order_placed.dead",
        "analytics.product_viewed.stream",
    ]
    assert TOPOLOGY.queue_names() == ["analytics.order_placed"]
    assert queue_name("notifier", "StockLow") == "notifier.stock_low"


def test_every_argument_is_said_and_none_is_left_to_the_brokers_version():
    """A running broker refuses a queue with other arguments: a change here needs a migration."""
    found = {name: queue.arguments for name, queue in queues().items()}

    quorum = {
        "x-queue-type": "quorum",
        "x-delivery-limit": 1000,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    assert found == {
        "analytics.order_placed": quorum
        | {
            "x-dead-letter-exchange": "souk.dead",
            "x-dead-letter-routing-key": "analytics.order_placed.dead",
        },
        "analytics.order_placed.retry": quorum
        | {
            "x-dead-letter-exchange": "analytics.direct",
            "x-dead-letter-routing-key": "analytics.order_placed",
            "x-message-ttl": 5000,
        },
        "analytics.order_placed.dead": {"x-queue-type": "quorum", "x-delivery-limit": 1000},
        "analytics.product_viewed.stream": {
            "x-queue-type": "stream",
            "x-max-length-bytes": 2 * 1024**3,
        },
    }


def test_every_queue_is_reached_by_its_own_ways_only():
    assert {name: set(queue.bindings) for name, queue in queues().items()} == {
        "analytics.order_placed": {
            ("souk.events", "orders.order_placed.v1"),
            ("analytics.direct", "analytics.order_placed"),
        },
        "analytics.order_placed.retry": {("analytics.direct", "analytics.order_placed.retry")},
        "analytics.order_placed.dead": {("souk.dead", "analytics.order_placed.dead")},
        "analytics.product_viewed.stream": {("souk.events", "gateway.product_viewed.v1")},
    }


def test_every_name_lies_in_what_its_service_may_touch():
    allowed = re.compile(r"^(analytics\..*|souk\.(events|dead))$")
    for queue in TOPOLOGY.queues():
        assert allowed.match(queue.name)
        assert all(allowed.match(exchange) for exchange, _ in queue.bindings)
    assert allowed.match(TOPOLOGY.exchange)


@pytest.mark.parametrize(
    "limit",
    ["heartbeat", "blocked_connection_timeout", "socket_timeout", "stack_timeout"],
)
def test_no_connection_waits_for_ever(limit):
    found = getattr(parameters("amqp://souk:x@127.0.0.1:1/souk", "test"), limit)

    assert 0 < found <= 30


def test_a_connection_has_a_name_for_operators():
    made = parameters("amqp://souk:x@127.0.0.1:1/souk", "catalog relay")

    assert made.client_properties["connection_name"] == "catalog relay"
