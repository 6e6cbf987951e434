# SPDX-License-Identifier: Apache-2.0
"""Publishing with pipelined confirms: the batch is on its way before the first confirm is back.

pika's blocking channel waits for every single confirm. This one runs pika's event loop only while
it waits, in the caller's thread, so there are no threads to guard against.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pika import BasicProperties, SelectConnection
from pika.channel import Channel
from pika.frame import Method
from pika.spec import Basic

from common.amqp.connection import BROKER_ERRORS, CONNECT_SECONDS, BrokerUnavailable, parameters
from common.amqp.readers import RollCall, Watch
from common.amqp.topology import Topology
from common.events import CONTENT_TYPE

CONFIRM_SECONDS = 10.0
TIDY_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """One message on its way out."""

    id: str
    type: str
    body: bytes
    routing_key: str
    timestamp: int
    correlation_id: str | None = None
    headers: dict[str, Any] = field(default_factory=dict)

    def properties(self) -> BasicProperties:
        return BasicProperties(
            message_id=self.id,
            type=self.type,
            content_type=CONTENT_TYPE,
            correlation_id=self.correlation_id,
            timestamp=self.timestamp,
            headers=self.headers,
            delivery_mode=2,
        )


class Confirms:
    """Which messages of a batch the broker has not answered, taken, or refused.

    Confirms come in any order, and one may speak for many (``multiple``).
    """

    def __init__(self, first_tag: int, count: int) -> None:
        self.waiting = set(range(first_tag, first_tag + count))
        self.refused: set[int] = set()

    def answer(self, tag: int, *, multiple: bool, taken: bool) -> None:
        answered = {tag} & self.waiting
        if multiple:
            answered = {waiting for waiting in self.waiting if waiting <= tag}
        self.waiting -= answered
        if not taken:
            self.refused |= answered


class Publisher:
    """A connection for publishing; it belongs to the thread that made it.

    Args:
        readers: Who must have their queues before anything is published.
        connect_seconds: How long a broker may take to let us in.
    """

    def __init__(
        self,
        url: str,
        name: str,
        *,
        readers: Sequence[Topology] = (),
        connect_seconds: float = 2 * CONNECT_SECONDS,
    ) -> None:
        self._url = url
        self._name = name
        self._watch = Watch(readers, self._absent)
        self._connect_seconds = connect_seconds
        self._connection: SelectConnection | None = None
        self._channel: Channel | None = None
        self._next_tag = 1
        self._confirms = Confirms(1, 0)
        self._returned: set[str] = set()
        self._failure: str | None = None

    def publish(
        self, messages: Sequence[Outgoing], exchange: str, *, timeout: float = CONFIRM_SECONDS
    ) -> set[str]:
        """Publish *messages*, wait for every confirm, and return the ids of those not taken.

        The broker confirms what it could not route, after it returned it: ``mandatory`` and the
        returns make that a refusal.

        Raises:
            QueuesMissing: A reader's queues are not there; none of the messages went out.
            BrokerUnavailable: The connection broke, or a confirm did not come in *timeout* seconds;
                any of the messages may or may not have arrived.
        """
        channel = self._open_channel()
        first = self._next_tag
        self._confirms, self._returned = Confirms(first, len(messages)), set()
        self._next_tag += len(messages)
        try:
            for message in messages:
                channel.basic_publish(
                    exchange,
                    message.routing_key,
                    message.body,
                    message.properties(),
                    mandatory=True,
                )
        except BROKER_ERRORS as error:
            raise self._broken(str(error) or type(error).__name__) from error
        self._run_until(lambda: not self._confirms.waiting, timeout, "no confirm in time")
        refused = {messages[tag - first].id for tag in self._confirms.refused}
        return refused | self._returned

    def wait(self, seconds: float) -> None:
        """Let time pass while heartbeats go on."""
        if self._connection is None or self._failure:
            raise self._broken(self._failure or "not connected")
        self._run_for(seconds)
        if self._failure:
            raise self._broken(self._failure)

    def connect(self) -> None:
        """Connect now instead of at the first message.

        Raises:
            QueuesMissing: A reader's queues are not there.
            BrokerUnavailable: No broker.
        """
        self._open_channel()

    def close(self) -> None:
        """Close the connection; never raises."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is None:
            return
        if connection.is_open:
            # The loop must run for the closing handshake; its end or one second stops it.
            connection.add_on_close_callback(lambda *_: connection.ioloop.stop())
            connection.close()
            handle = connection.ioloop.call_later(1, connection.ioloop.stop)
            connection.ioloop.start()
            connection.ioloop.remove_timeout(handle)
        connection.ioloop.close()

    def _open_channel(self) -> Channel:
        if self._channel is None or self._failure is not None:
            self._connect()
        self._watch.look()
        assert self._channel is not None
        return self._channel

    def _absent(self, queues: Sequence[str]) -> list[str]:
        assert self._connection is not None
        roll_call = RollCall(self._connection, queues, on_end=self._stop)
        self._run_until(lambda: roll_call.is_over, CONFIRM_SECONDS, "no word about queues in time")
        return roll_call.missing

    def _connect(self) -> None:
        self.close()
        self._failure = None
        self._watch.renew()
        wanted = parameters(self._url, self._name)
        wanted.stack_timeout = self._connect_seconds
        try:
            self._connection = SelectConnection(
                wanted,
                on_open_callback=lambda connection: connection.channel(
                    on_open_callback=self._on_channel
                ),
                on_open_error_callback=self._fail,
                on_close_callback=self._fail,
            )
        except BROKER_ERRORS as error:
            raise BrokerUnavailable(str(error)) from error
        # A little longer than pika itself: whatever it gives up, it also closes.
        patience = self._connect_seconds + TIDY_SECONDS
        self._run_until(lambda: self._channel is not None, patience, "no connection")

    def _on_channel(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._fail)
        channel.add_on_return_callback(self._on_return)

        def ready(_frame: Method[Any]) -> None:
            self._channel, self._next_tag = channel, 1
            self._stop()

        channel.confirm_delivery(self._on_answer, callback=ready)

    def _on_return(
        self, _channel: Channel, _method: Basic.Return, properties: BasicProperties, _body: bytes
    ) -> None:
        self._returned.add(str(properties.message_id))

    def _on_answer(self, frame: Method[Any]) -> None:
        method = frame.method
        taken = isinstance(method, Basic.Ack)
        self._confirms.answer(method.delivery_tag, multiple=method.multiple, taken=taken)
        if not self._confirms.waiting:
            self._stop()

    def _fail(self, _source: object, reason: object) -> None:
        self._failure = str(reason) or type(reason).__name__
        self._stop()

    def _stop(self) -> None:
        if self._connection is not None:
            self._connection.ioloop.stop()

    def _run_for(self, seconds: float) -> None:
        assert self._connection is not None
        loop = self._connection.ioloop
        handle = loop.call_later(seconds, loop.stop)
        try:
            loop.start()
        except BROKER_ERRORS as error:
            raise self._broken(str(error)) from error
        loop.remove_timeout(handle)

    def _run_until(self, done: Callable[[], bool], seconds: float, complaint: str) -> None:
        if not done() and not self._failure:
            self._run_for(seconds)
        if self._failure or not done():
            raise self._broken(self._failure or complaint)

    def _broken(self, reason: str) -> BrokerUnavailable:
        self._failure = reason
        self.close()
        return BrokerUnavailable(reason)
