# SPDX-License-Identifier: Apache-2.0
"""One service's dead letters, looked at where they lie and sent back where they came from.

A letter is held, not taken: it stays the broker's until it is confirmed elsewhere, and whatever
ends the visit puts it back to its place.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from pika import BasicProperties, BlockingConnection
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from common.amqp.connection import BROKER_ERRORS, BrokerUnavailable, connect
from common.amqp.consumer import (
    ATTEMPT_HEADER,
    DIED_HEADER,
    REASON_HEADER,
    Delivery,
    attempt_of,
)
from common.amqp.topology import DEAD_EXCHANGE, DELIVERY_LIMIT, Topology

LOCKED, NOT_FOUND = 405, 404
RETURNS_HEADER = "x-delivery-count"
WORN_AFTER = DELIVERY_LIMIT // 2
"""The broker counts each look at a letter as a failed delivery, and drops it at the limit. A letter
with so many of them is replaced by a copy that nobody has looked at."""
TURN_SECONDS = 0.02
SETTLE_SECONDS = 0.3
HISTORY = (ATTEMPT_HEADER, REASON_HEADER, DIED_HEADER, RETURNS_HEADER)
HISTORY_PREFIXES = ("x-death", "x-first-death-", "x-last-death-")


class Graveyard:
    """A visit to the dead letter queues of one service, by one visitor at a time.

    Two at once would each see what the other does not hold. The lock is a queue of the visitor's
    own connection, which dies with it.

    Args:
        seconds: How long the visitor may wait for its turn; the handshake may take twice that.
    """

    def __init__(self, url: str, topology: Topology, *, seconds: float) -> None:
        self._topology = topology
        self._held: set[int] = set()
        self._worn: list[Delivery] = []
        self._unheld = 0
        self._connection: BlockingConnection = connect(
            url, f"{topology.service} dead letters", seconds=seconds
        )
        try:
            with _broker_errors():
                self._channel = self._open_channel()
            self._lock(seconds)
        except BrokerUnavailable:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def depth(self, queue: str) -> int:
        """How many dead letters *queue* has; none where it was never declared."""
        found = self._ask(
            lambda: self._channel.queue_declare(_dead(queue), passive=True), unless=NOT_FOUND
        )
        return int(found.method.message_count) if found else 0

    def walk(self, queue: str) -> Iterator[Delivery]:
        """Hold the dead letters of *queue*, oldest first, until ``release``.

        Release those of one queue before you walk through another. A walk to the end keeps their
        order; after a shorter one those that were held are behind the others that ever were.
        """
        while True:
            found = self._ask(lambda: self._channel.basic_get(_dead(queue)), unless=NOT_FOUND)
            if found is None or found[0] is None:
                return
            method, properties, body = found
            self._unheld = int(method.message_count)
            letter = Delivery(
                queue=queue,
                tag=method.delivery_tag,
                body=body,
                attempt=attempt_of(properties),
                properties=properties,
            )
            self._held.add(letter.tag)
            if _is_worn(properties):
                self._worn.append(letter)
            yield letter

    def send_back(self, letter: Delivery) -> None:
        """Put *letter* into the queue that it died in, as if it had never been tried.

        It ends here only after its copy there is confirmed: it may come twice, and never be lost.
        """
        self._move(letter, self._topology.exchange, letter.queue, history=HISTORY)
        self._held.remove(letter.tag)
        self._worn = [worn for worn in self._worn if worn.tag in self._held]

    def release(self, queue: str) -> None:
        """Put every letter of *queue* back to its place that is still held."""
        expected = len(self._held) + self._unheld
        for letter in self._worn:
            self._move(letter, DEAD_EXCHANGE, _dead(queue), history=(RETURNS_HEADER,))
        self._held, self._worn, self._unheld = set(), [], 0
        with _broker_errors():
            self._channel.basic_nack(0, multiple=True, requeue=True)
        # The broker may serve the next visitor's first get before this, and so out of order.
        deadline = time.monotonic() + SETTLE_SECONDS
        while self.depth(queue) < expected and time.monotonic() < deadline:
            with _broker_errors():
                self._connection.sleep(SETTLE_SECONDS / 100)

    def close(self) -> None:
        """Close the connection, and with it put back what is held; never raises."""
        try:
            if self._connection.is_open:
                self._connection.close()
        except BROKER_ERRORS:
            return

    def _move(self, letter: Delivery, exchange: str, key: str, *, history: tuple[str, ...]) -> None:
        properties = letter.properties
        properties.headers = _without(properties.headers or {}, history)
        properties.delivery_mode = 2
        with _broker_errors():
            self._channel.basic_publish(exchange, key, letter.body, properties, mandatory=True)
            self._channel.basic_ack(letter.tag)

    def _open_channel(self) -> BlockingChannel:
        channel = self._connection.channel()
        channel.confirm_delivery()
        return channel

    def _lock(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._is_our_turn():
            if time.monotonic() > deadline:
                raise BrokerUnavailable("somebody else looks through these dead letters")
            with _broker_errors():
                self._connection.sleep(TURN_SECONDS)

    def _is_our_turn(self) -> bool:
        name = f"{self._topology.service}.dead-letters"
        answer = self._ask(lambda: self._channel.queue_declare(name, exclusive=True), unless=LOCKED)
        return answer is not None

    def _ask(self, question: Callable[[], Any], *, unless: int) -> Any:
        """The broker's answer, or None where it refuses with *unless*.

        With a refusal it closes the channel, and puts back what is held there.
        """
        with _broker_errors():
            try:
                return question()
            except ChannelClosedByBroker as error:
                if error.reply_code != unless:
                    raise
                self._channel = self._open_channel()
                return None


@contextmanager
def _broker_errors() -> Iterator[None]:
    try:
        yield
    except BROKER_ERRORS as error:
        raise BrokerUnavailable(str(error) or type(error).__name__) from error


def _is_worn(properties: BasicProperties) -> bool:
    count = (properties.headers or {}).get(RETURNS_HEADER)
    return isinstance(count, int) and count >= WORN_AFTER


def _dead(queue: str) -> str:
    return f"{queue}.dead"


def _without(headers: dict[str, Any], history: tuple[str, ...]) -> dict[str, Any]:
    """The headers that a letter had before it failed, or before the broker counted looks at it."""
    is_fresh_start = ATTEMPT_HEADER in history
    return {
        name: value
        for name, value in headers.items()
        if name not in history and not (is_fresh_start and name.startswith(HISTORY_PREFIXES))
    }
