# SPDX-License-Identifier: Apache-2.0
"""Receiving in batches: take what is there, let the caller finish it, then acknowledge."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pika import BasicProperties, BlockingConnection
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import NackError, UnroutableError
from pika.frame import Method
from pika.spec import Basic

from common.amqp.connection import BROKER_ERRORS, BrokerUnavailable, connect
from common.amqp.topology import DEAD_EXCHANGE, KINDS
from common.clock import rfc3339, utcnow

ATTEMPT_HEADER = "x-souk-attempt"
REASON_HEADER = "x-souk-reason"
DIED_HEADER = "x-souk-died-at"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message as it came.

    Attributes:
        attempt: Counts from 1; ours, because brokers count differently.
    """

    queue: str
    tag: int
    body: bytes
    attempt: int
    properties: BasicProperties


class Consumer:
    """A connection that receives; it belongs to the thread that made it.

    Args:
        exchange: The service's own exchange, through which retries go.
        prefetch: How many messages may be unacknowledged per queue.
    """

    def __init__(
        self, url: str, name: str, *, queues: Sequence[str], exchange: str, prefetch: int = 100
    ) -> None:
        self._exchange = exchange
        self._arrived: list[Delivery] = []
        self._in_hand: Counter[str] = Counter()
        self._lost_queue: str | None = None
        self._connection: BlockingConnection = connect(url, name)
        try:
            self._channel: BlockingChannel = self._connection.channel()
            self._channel.confirm_delivery()
            self._channel.basic_qos(prefetch_count=prefetch)
            self._channel.add_on_cancel_callback(self._on_cancel)
            for queue in queues:
                self._channel.basic_consume(queue, self._on_message_of(queue), consumer_tag=queue)
        except BROKER_ERRORS as error:
            self.close()
            raise BrokerUnavailable(str(error)) from error

    def _on_message_of(self, queue: str) -> Any:
        def arrived(
            _channel: BlockingChannel,
            method: Basic.Deliver,
            properties: BasicProperties,
            body: bytes,
        ) -> None:
            self._in_hand[queue] += 1
            self._arrived.append(
                Delivery(
                    queue=queue,
                    tag=method.delivery_tag,
                    body=body,
                    attempt=attempt_of(properties),
                    properties=properties,
                )
            )

        return arrived

    def _on_cancel(self, frame: Method[Any]) -> None:
        self._lost_queue = frame.method.consumer_tag

    def receive(self, *, wait: float) -> list[Delivery]:
        """What has arrived, at least one message or after *wait* seconds none.

        Raises:
            BrokerUnavailable: The connection broke, or one of the queues was deleted; what was not
                acknowledged comes again.
        """
        try:
            self._connection.process_data_events(time_limit=wait)
        except BROKER_ERRORS as error:
            raise BrokerUnavailable(str(error) or type(error).__name__) from error
        if self._lost_queue is not None:
            raise BrokerUnavailable(f"the queue {self._lost_queue} is gone")
        batch, self._arrived = self._arrived, []
        return batch

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that these are done, each by its own tag, never ``multiple``."""
        try:
            for delivery in deliveries:
                self._channel.basic_ack(delivery.tag)
                self._in_hand[delivery.queue] -= 1
        except BROKER_ERRORS as error:
            raise BrokerUnavailable(str(error)) from error

    def retry_later(self, delivery: Delivery, reason: str) -> None:
        """Put *delivery* into its retry queue with one attempt more, then acknowledge it here."""
        headers = {ATTEMPT_HEADER: delivery.attempt + 1, REASON_HEADER: reason}
        self._move(delivery, self._exchange, f"{delivery.queue}.retry", headers)

    def bury(self, delivery: Delivery, reason: str) -> None:
        """Keep *delivery* in its dead letter queue with the reason, then acknowledge it here."""
        headers = {
            ATTEMPT_HEADER: delivery.attempt,
            REASON_HEADER: reason,
            DIED_HEADER: rfc3339(utcnow()),
        }
        self._move(delivery, DEAD_EXCHANGE, f"{delivery.queue}.dead", headers)

    def _move(self, delivery: Delivery, exchange: str, key: str, headers: dict[str, Any]) -> None:
        properties = delivery.properties
        properties.headers = {**(properties.headers or {}), **headers}
        properties.delivery_mode = 2
        try:
            # This waits for its confirm: the message is never in neither queue.
            self._channel.basic_publish(exchange, key, delivery.body, properties, mandatory=True)
        except (UnroutableError, NackError) as error:
            raise BrokerUnavailable(f"{key} does not take messages") from error
        except BROKER_ERRORS as error:
            raise BrokerUnavailable(str(error)) from error
        self.acknowledge([delivery])

    def backlog(self, queue: str) -> dict[str, int]:
        """How many messages of *queue* wait, those in our hands with them, and are in its others.

        Raises:
            BrokerUnavailable: The connection broke, or one of the queues is gone.
        """
        try:
            found = {
                kind: self._channel.queue_declare(f"{queue}{suffix}", passive=True)
                for kind, suffix in KINDS.items()
            }
        except BROKER_ERRORS as error:
            raise BrokerUnavailable(str(error) or type(error).__name__) from error
        counts = {kind: int(answer.method.message_count) for kind, answer in found.items()}
        return counts | {"waiting": counts["waiting"] + self._in_hand[queue]}

    def pause(self, seconds: float) -> None:
        """Let time pass while heartbeats go on; arriving messages are kept for the next receive."""
        try:
            self._connection.sleep(seconds)
        except BROKER_ERRORS as error:
            raise BrokerUnavailable(str(error)) from error

    def close(self) -> None:
        """Close the connection; never raises."""
        try:
            if self._connection.is_open:
                self._connection.close()
        except BROKER_ERRORS:
            return


def attempt_of(properties: BasicProperties) -> int:
    """The attempt that its headers tell; a message whose counter is none of ours is at its first.

    It must not raise: in the receiving callback that would end the worker, and the next one too.
    """
    attempt = (properties.headers or {}).get(ATTEMPT_HEADER)
    return attempt if isinstance(attempt, int) and attempt > 0 else 1
