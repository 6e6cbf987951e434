# SPDX-License-Identifier: Apache-2.0
"""Exchanges and queues, declared in one place from the one table of subscriptions.

Every argument is explicit, because the defaults differ between broker versions (the delivery limit
is none before 4.0 and twenty from then on). ``<consumer>.<event>`` holds events, ``….retry`` holds
what failed until its delay is over, ``….dead`` keeps what will not work, with the reason.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from common.amqp.connection import BROKER_ERRORS, BrokerUnavailable, connect
from common.events import Event, snake_case

EVENTS_EXCHANGE = "souk.events"
DEAD_EXCHANGE = "souk.dead"
RETRY_SECONDS = 5
DELIVERY_LIMIT = 1000
"""Ours is the attempt counter that decides; the broker's limit only ends an endless crash loop, and
dead-letters even then. It is high because a crash counts against all messages in flight."""
PRECONDITION_FAILED = 406
STREAM_BYTES = 2 * 1024**3


KINDS = {"waiting": "", "retrying": ".retry", "dead": ".dead"}
"""The queues that one subscription has, by what a message in them does."""


class TopologyConflict(Exception):
    """A queue or an exchange exists with other arguments. Nothing was changed."""


def queue_name(consumer: str, event_type: str) -> str:
    return f"{consumer}.{snake_case(event_type)}"


@dataclass(frozen=True, kw_only=True)
class Queue:
    name: str
    arguments: dict[str, Any]
    bindings: tuple[tuple[str, str], ...]


def _quorum(dead_exchange: str, dead_key: str) -> dict[str, Any]:
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": dead_exchange,
        "x-dead-letter-routing-key": dead_key,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


@dataclass(frozen=True, kw_only=True)
class Topology:
    """What one service needs from the broker.

    Attributes:
        service: Also the prefix of every queue and exchange that it owns.
        events: The events that it reads.
        streams: Of these a copy is kept as a RabbitMQ stream, for readers from any offset.
    """

    service: str
    events: tuple[type[Event], ...]
    streams: tuple[type[Event], ...] = field(default=())

    @property
    def exchange(self) -> str:
        """The service's own direct exchange: the way back from a retry queue."""
        return f"{self.service}.direct"

    def queue_names(self) -> list[str]:
        return [queue_name(self.service, event.type()) for event in self.events]

    def queues(self) -> Iterator[Queue]:
        for event in self.events:
            name = queue_name(self.service, event.type())
            retry, dead = f"{name}.retry", f"{name}.dead"
            yield Queue(
                name=name,
                arguments=_quorum(DEAD_EXCHANGE, dead),
                bindings=((EVENTS_EXCHANGE, event.routing_key()), (self.exchange, name)),
            )
            yield Queue(
                name=retry,
                arguments=_quorum(self.exchange, name) | {"x-message-ttl": RETRY_SECONDS * 1000},
                bindings=((self.exchange, retry),),
            )
            yield Queue(
                name=dead,
                arguments={"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT},
                bindings=((DEAD_EXCHANGE, dead),),
            )
        for event in self.streams:
            yield Queue(
                name=f"{queue_name(self.service, event.type())}.stream",
                arguments={"x-queue-type": "stream", "x-max-length-bytes": STREAM_BYTES},
                bindings=((EVENTS_EXCHANGE, event.routing_key()),),
            )

    def declare(self, url: str) -> None:
        """Make everything exist; what already does is left as it is.

        Raises:
            TopologyConflict: Something exists with other arguments; the message names it.
            BrokerUnavailable: No broker.
        """
        connection = connect(url, f"{self.service} topology")
        try:
            self._declare_on(connection.channel())
        except BROKER_ERRORS as error:
            raise BrokerUnavailable(str(error)) from error
        finally:
            if connection.is_open:
                connection.close()

    def _declare_on(self, channel: BlockingChannel) -> None:
        for exchange, kind in ((EVENTS_EXCHANGE, "topic"), (DEAD_EXCHANGE, "direct")):
            _declare_exchange(channel, exchange, kind)
        if self.events:
            _declare_exchange(channel, self.exchange, "direct")
        for queue in self.queues():
            _declare_queue(channel, queue)
            for exchange, key in queue.bindings:
                channel.queue_bind(queue.name, exchange, key)


def _declare_exchange(channel: BlockingChannel, name: str, kind: str) -> None:
    with _conflict_over(
        f"the exchange {name}",
        way_out="stop all workers, delete it, and start them again, which declares it anew",
    ):
        channel.exchange_declare(name, kind, durable=True)


def _declare_queue(channel: BlockingChannel, queue: Queue) -> None:
    with _conflict_over(
        f"the queue {queue.name}",
        way_out="stop this worker, move what the queue still holds, "
        f"run `rabbitmqctl delete_queue {queue.name}` with the virtual host, and start again, "
        "which declares it anew",
    ):
        channel.queue_declare(queue.name, durable=True, arguments=queue.arguments)


@contextmanager
def _conflict_over(thing: str, *, way_out: str) -> Iterator[None]:
    try:
        yield
    except ChannelClosedByBroker as error:
        if error.reply_code != PRECONDITION_FAILED:
            raise
        raise TopologyConflict(
            f"The broker has {thing} with other arguments ({error.reply_text}); "
            f"nothing was changed. To settle it, {way_out}."
        ) from error
