# SPDX-License-Identifier: Apache-2.0
"""What the broker has of a topology: looked at from outside, nothing is made or changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pika import BlockingConnection
from pika.exceptions import ChannelClosedByBroker

from common.amqp.connection import BROKER_ERRORS, BrokerUnavailable, connect
from common.amqp.topology import PRECONDITION_FAILED, Queue, Topology

NOT_FOUND = 404


@dataclass(frozen=True, kw_only=True)
class QueueState:
    """One queue that should be there.

    Attributes:
        conflict: What the broker says where the queue has other arguments than ours.
    """

    name: str
    exists: bool
    messages: int = 0
    consumers: int = 0
    conflict: str = ""


def inspect(url: str, topologies: list[Topology]) -> list[QueueState]:
    """Look at every queue of these topologies.

    The user needs the right to configure them: who asks whether a queue has our arguments declares
    it, and does so only where it is there.

    Raises:
        BrokerUnavailable: No broker.
    """
    connection = connect(url, "inspection")
    try:
        return list(_states(connection, topologies))
    except BROKER_ERRORS as error:
        raise BrokerUnavailable(str(error)) from error
    finally:
        if connection.is_open:
            connection.close()


def _states(connection: BlockingConnection, topologies: list[Topology]) -> Iterator[QueueState]:
    for topology in topologies:
        for queue in topology.queues():
            found = _declared(connection, queue, passive=True)
            if isinstance(found, str):
                yield QueueState(name=queue.name, exists=False)
                continue
            same = _declared(connection, queue, passive=False)
            yield QueueState(
                name=queue.name,
                exists=True,
                messages=found.message_count,
                consumers=found.consumer_count,
                conflict=same if isinstance(same, str) else "",
            )


def _declared(connection: BlockingConnection, queue: Queue, *, passive: bool) -> Any:
    """The broker's answer, or its reason why not; a refusal costs the channel."""
    expected = NOT_FOUND if passive else PRECONDITION_FAILED
    channel = connection.channel()
    try:
        answer = channel.queue_declare(
            queue.name, passive=passive, durable=True, arguments=queue.arguments
        )
    except ChannelClosedByBroker as error:
        if error.reply_code != expected:
            raise
        return str(error.reply_text)
    channel.close()
    return answer.method
