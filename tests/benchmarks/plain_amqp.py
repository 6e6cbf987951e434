# SPDX-License-Identifier: Apache-2.0
"""pika by itself, at its best: what the relay and the subscriber are measured against."""

import time
from collections.abc import Sequence
from typing import Any

from pika import BasicProperties, BlockingConnection, SelectConnection, URLParameters
from pika.channel import Channel
from pika.spec import Basic

from common.amqp.publisher import Outgoing
from common.amqp.topology import EVENTS_EXCHANGE

PREFETCH = 200


def _parameters(url: str) -> URLParameters:
    wanted = URLParameters(url)
    # Nobody runs the loop while another side plays.
    wanted.heartbeat = 0
    return wanted


class Loop:
    """A channel on pika's event loop, which runs until somebody stops it."""

    def __init__(self, url: str) -> None:
        self._connection = SelectConnection(
            _parameters(url),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._opened),
        )
        self._connection.ioloop.start()

    def _opened(self, channel: Channel) -> None:
        self._channel = channel
        self._stop()

    def _stop(self) -> None:
        self._connection.ioloop.stop()

    def close(self) -> None:
        self._connection.add_on_close_callback(lambda *_: self._stop())
        self._connection.close()
        self._connection.ioloop.start()
        self._connection.ioloop.close()


class Pipelined(Loop):
    """Sends everything, then waits for the confirms."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._waiting: set[int] = set()
        self._sent = 0
        self._channel.confirm_delivery(self._confirm)

    def seconds(self, messages: Sequence[Outgoing]) -> float:
        """How long it takes until every message is confirmed."""
        began = time.perf_counter()
        for message in messages:
            self._sent += 1
            self._waiting.add(self._sent)
            self._channel.basic_publish(
                EVENTS_EXCHANGE, message.routing_key, message.body, message.properties(), True
            )
        self._connection.ioloop.start()
        return time.perf_counter() - began

    def _confirm(self, frame: Any) -> None:
        tag = frame.method.delivery_tag
        if frame.method.multiple:
            self._waiting = {one for one in self._waiting if one > tag}
        else:
            self._waiting.discard(tag)
        if not self._waiting:
            self._stop()


class OneByOne:
    """Waits for each confirm, as pika's blocking channel does."""

    def __init__(self, url: str) -> None:
        self._connection = BlockingConnection(_parameters(url))
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()

    def seconds(self, messages: Sequence[Outgoing]) -> float:
        began = time.perf_counter()
        for message in messages:
            self._channel.basic_publish(
                EVENTS_EXCHANGE, message.routing_key, message.body, message.properties(), True
            )
        return time.perf_counter() - began

    def close(self) -> None:
        self._connection.close()


class Reader(Loop):
    """Reads a queue and acknowledges each message by itself, and does nothing else."""

    def read(self, queue: str, count: int) -> None:
        """Until *count* messages are acknowledged."""
        read = 0

        def on_message(
            channel: Channel, method: Basic.Deliver, _properties: BasicProperties, _body: bytes
        ) -> None:
            nonlocal read
            channel.basic_ack(method.delivery_tag)
            read += 1
            if read == count:
                # The answer comes when the broker has seen all acknowledgements before it.
                channel.basic_cancel("reader", callback=lambda _: self._stop())

        self._channel.basic_qos(prefetch_count=PREFETCH)
        self._channel.basic_consume(queue, on_message, consumer_tag="reader")
        self._connection.ioloop.start()
