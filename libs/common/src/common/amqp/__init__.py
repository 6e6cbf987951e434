# SPDX-License-Identifier: Apache-2.0
"""The broker. Only this package knows pika."""

from common.amqp.connection import BrokerUnavailable
from common.amqp.consumer import Consumer, Delivery
from common.amqp.graveyard import Graveyard
from common.amqp.publisher import Publisher
from common.amqp.readers import QueuesMissing, readers_of
from common.amqp.topology import Topology, TopologyConflict, queue_name

__all__ = [
    "BrokerUnavailable",
    "Consumer",
    "Delivery",
    "Graveyard",
    "Publisher",
    "QueuesMissing",
    "Topology",
    "TopologyConflict",
    "queue_name",
    "readers_of",
]
