# SPDX-License-Identifier: Apache-2.0
"""A look at the broker from outside finds what is missing or different, and changes nothing."""

import pytest

from common.amqp import BrokerUnavailable, Topology
from common.amqp.connection import connect
from common.amqp.inspection import inspect
from common.contracts import StockLow

TOPOLOGY = Topology(service="inspected", events=(StockLow,))
EVENTS, RETRY, DEAD = (queue.name for queue in TOPOLOGY.queues())


@pytest.fixture
def channel(amqp_url, fresh_queues):
    fresh_queues(TOPOLOGY)
    connection = connect(amqp_url, "tests")
    yield connection.channel()
    connection.close()


def seen(amqp_url):
    return {state.name: state for state in inspect(amqp_url, [TOPOLOGY])}


def test_queues_as_they_should_be_are_seen_with_what_they_hold_and_who_reads(amqp_url, channel):
    channel.confirm_delivery()
    channel.basic_publish("", DEAD, b"{}")
    channel.basic_consume(EVENTS, lambda *_: None)

    found = seen(amqp_url)

    assert [state.exists and not state.conflict for state in found.values()] == [True] * 3
    assert (found[EVENTS].consumers, found[RETRY].consumers) == (1, 0)
    assert (found[DEAD].messages, found[EVENTS].messages) == (1, 0)


def test_a_queue_that_is_missing_is_not_made(amqp_url, channel):
    channel.queue_delete(RETRY)

    assert not seen(amqp_url)[RETRY].exists
    assert not seen(amqp_url)[RETRY].exists


def test_a_queue_with_other_arguments_is_named_and_left_as_it_is(amqp_url, channel):
    channel.queue_delete(DEAD)
    channel.queue_declare(DEAD, durable=True, arguments={"x-queue-type": "classic"})

    found = seen(amqp_url)

    assert "x-queue-type" in found[DEAD].conflict or "queue-type" in found[DEAD].conflict
    assert found[EVENTS].conflict == ""


def test_a_broker_that_is_away_is_said_to_be():
    with pytest.raises(BrokerUnavailable):
        inspect("amqp://nobody:x@127.0.0.1:1/none", [TOPOLOGY])
