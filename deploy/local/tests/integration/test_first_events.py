# SPDX-License-Identifier: Apache-2.0
"""The first event of a new stack reaches every reader, also one whose worker is not up yet."""

from types import SimpleNamespace

import pytest

from common.amqp import Publisher, Topology, queue_name
from common.amqp.connection import connect
from common.amqp.publisher import Outgoing
from common.amqp.topology import EVENTS_EXCHANGE
from common.contracts import SUBSCRIPTIONS, UserRegistered
from souk_local.startup import Startup

READERS = [name for name, events in SUBSCRIPTIONS.items() if UserRegistered in events]


@pytest.fixture
def channel(amqp_url):
    """A broker on which nobody has declared anything, and none of it stays."""
    connection = connect(amqp_url, "tests")
    channel = connection.channel()
    delete_queues(channel)
    channel.exchange_declare(EVENTS_EXCHANGE, "topic", durable=True)
    yield channel
    delete_queues(channel)
    connection.close()


def delete_queues(channel):
    for name, events in SUBSCRIPTIONS.items():
        for queue in Topology(service=name, events=events).queues():
            channel.queue_delete(queue.name)


def publish(amqp_url, message_id):
    """Tell one event; returns the ids of those that nobody took."""
    key = UserRegistered.routing_key()
    message = Outgoing(
        id=message_id, type="UserRegistered", body=b"{}", routing_key=key, timestamp=0
    )
    publisher = Publisher(amqp_url, "tests")
    try:
        return publisher.publish([message], EVENTS_EXCHANGE)
    finally:
        publisher.close()


def test_every_reader_has_its_queues_before_anybody_publishes(channel, amqp_url):
    broker = SimpleNamespace(url=lambda _service: amqp_url)
    environments = SimpleNamespace(rabbitmq=broker)
    assert publish(amqp_url, "control") == {"control"}

    Startup(environments, supervisor=None, terminal=None).declare_queues()

    assert publish(amqp_url, "first") == set()
    queues = [queue_name(reader, "UserRegistered") for reader in READERS]
    assert len(queues) == 3
    for queue in queues:
        _, _, body = channel.basic_get(queue, auto_ack=True)
        assert body == b"{}", f"{queue} did not get it"
