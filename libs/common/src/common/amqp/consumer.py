# SPDX-License-Identifier: Apache-2.0
"""Receiving in batches: take what is there, let the caller finish it, then acknowledge."""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from pika import BasicProperties
from pika.channel import Channel
from pika.frame import Method
from pika.spec import Basic

from common.amqp.connection import BrokerUnavailable
from common.amqp.line import Answers, Line, Message
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


class Unfinished:
    """The tags of what has arrived and is not acknowledged, in their order."""

    def __init__(self) -> None:
        self._tags: dict[int, None] = {}

    def add(self, tag: int) -> None:
        self._tags[tag] = None

    def finish(self, tags: set[int]) -> list[tuple[int, bool]]:
        """What to acknowledge for *tags*: each with whether it speaks for all before it, too.

        One does where none before it is left unfinished.
        """
        first = list(takewhile(tags.__contains__, self._tags))
        for tag in tags:
            del self._tags[tag]
        words = [(first[-1], len(first) > 1)] if first else []
        return words + [(tag, False) for tag in sorted(tags.difference(first))]


class Consumer:
    """A connection that receives; it belongs to the thread that made it.

    Args:
        exchange: The service's own exchange, through which retries go.
        most: How many messages ``receive`` gives at once.
    """

    def __init__(
        self, url: str, name: str, *, queues: Sequence[str], exchange: str, most: int = 100
    ) -> None:
        self._exchange = exchange
        self._most = most
        self._arrived: deque[Delivery] = deque()
        self._in_hand: Counter[str] = Counter()
        self._unfinished = Unfinished()
        self._line = Line(url, name)
        self._line.open()
        self._consume(queues)

    def _consume(self, queues: Sequence[str]) -> None:
        channel, begun = self._line.channel, Answers(self._line, len(queues))
        # The broker sends the next batch while this one is handled.
        channel.basic_qos(prefetch_count=2 * self._most)
        channel.add_on_cancel_callback(self._on_cancel)
        for queue in queues:
            arrived = self._on_message_of(queue)
            channel.basic_consume(queue, arrived, consumer_tag=queue, callback=begun.add)
        begun.wait()

    def _on_message_of(self, queue: str) -> Any:
        def arrived(
            _channel: Channel, method: Basic.Deliver, properties: BasicProperties, body: bytes
        ) -> None:
            self._in_hand[queue] += 1
            self._unfinished.add(method.delivery_tag)
            self._arrived.append(
                Delivery(
                    queue=queue,
                    tag=method.delivery_tag,
                    body=body,
                    attempt=attempt_of(properties),
                    properties=properties,
                )
            )
            if len(self._arrived) in {1, self._most}:
                self._line.stop()

        return arrived

    def _on_cancel(self, frame: Method[Any]) -> None:
        self._line.fail(self, f"the queue {frame.method.consumer_tag} is gone")

    def receive(
        self, *, wait: float, or_until: Callable[[], bool] = lambda: False
    ) -> list[Delivery]:
        """What has arrived, at least one message or after *wait* seconds none.

        Args:
            or_until: Why to wait no longer; who makes it true calls ``wake``.

        Raises:
            BrokerUnavailable: The connection broke, or one of the queues was deleted; what was not
                acknowledged comes again.
        """
        self._line.run(wait, until=lambda: bool(self._arrived) or or_until())
        return [self._arrived.popleft() for _ in range(min(self._most, len(self._arrived)))]

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that these are done, and never anything of what is not."""
        with self._line.writing() as channel:
            for tag, multiple in self._unfinished.finish({one.tag for one in deliveries}):
                channel.basic_ack(tag, multiple)
        self._in_hand.subtract(one.queue for one in deliveries)

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

    def split(self, delivery: Delivery, parts: Mapping[str, bytes]) -> None:
        """Put its *parts*, by their ids, at the end of its queue, then acknowledge it here."""
        messages = []
        for message_id, body in parts.items():
            properties = copy(delivery.properties)
            properties.message_id = message_id
            messages.append((delivery.queue, body, properties))
        self._instead(delivery, self._exchange, messages)

    def _move(self, delivery: Delivery, exchange: str, key: str, headers: dict[str, Any]) -> None:
        properties = delivery.properties
        properties.headers = {**(properties.headers or {}), **headers}
        properties.delivery_mode = 2
        self._instead(delivery, exchange, [(key, delivery.body, properties)])

    def _instead(self, delivery: Delivery, exchange: str, messages: Sequence[Message]) -> None:
        # This waits for its confirms: what it tells is never in no queue.
        self._line.send(exchange, messages)
        if self._line.confirmed():
            raise BrokerUnavailable(f"{messages[0][0]} does not take messages")
        self.acknowledge([delivery])

    def backlog(self, queue: str) -> dict[str, int]:
        """How many messages of *queue* wait, those in our hands with them, and are in its others.

        Raises:
            BrokerUnavailable: The connection broke, or one of the queues is gone.
        """
        answers = Answers(self._line, len(KINDS))
        for suffix in KINDS.values():
            self._line.channel.queue_declare(f"{queue}{suffix}", passive=True, callback=answers.add)
        found = dict(zip(KINDS, answers.wait(), strict=True))
        counts = {kind: int(answer.method.message_count) for kind, answer in found.items()}
        return counts | {"waiting": counts["waiting"] + self._in_hand[queue]}

    def gather(self, seconds: float) -> None:
        """Let messages come until there are as many as ``receive`` gives, or the time is over."""
        self._line.run(seconds, until=lambda: len(self._arrived) >= self._most)

    def pause(self, seconds: float) -> None:
        """Let time pass while heartbeats go on; arriving messages are kept for the next receive."""
        self._line.run(seconds)

    def wake(self) -> None:
        """Say from another thread that ``receive`` need not wait any longer."""
        self._line.wake()

    def close(self) -> None:
        """Close the connection; never raises."""
        self._line.close()


def attempt_of(properties: BasicProperties) -> int:
    """The attempt that its headers tell; a message whose counter is none of ours is at its first.

    It must not raise: in the receiving callback that would end the worker, and the next one too.
    """
    attempt = (properties.headers or {}).get(ATTEMPT_HEADER)
    return attempt if isinstance(attempt, int) and attempt > 0 else 1
