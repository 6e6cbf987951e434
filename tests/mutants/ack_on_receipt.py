# SPDX-License-Identifier: Apache-2.0
"""Messages are acknowledged when they arrive, before anything is committed."""

from common.amqp import Consumer

receive, acknowledge = Consumer.receive, Consumer.acknowledge


def receive_for_good(consumer, **how_long):
    batch = receive(consumer, **how_long)
    acknowledge(consumer, batch)
    return batch


Consumer.receive = receive_for_good
Consumer.acknowledge = lambda _consumer, _deliveries: None
