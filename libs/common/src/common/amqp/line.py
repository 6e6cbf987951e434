# SPDX-License-Identifier: Apache-2.0
"""A channel on a connection of its own, for one thread: what both publishing and receiving need.

pika's blocking channel waits for each confirm and writes each acknowledgement by itself. Here
pika's event loop runs while the owner waits and at no other time, in the owner's thread: so there
are no threads to guard against, and what is written before a wait leaves together.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

from pika import BasicProperties, SelectConnection
from pika.channel import Channel
from pika.frame import Method
from pika.spec import Basic

from common.amqp.connection import BROKER_ERRORS, CONNECT_SECONDS, BrokerUnavailable, parameters

TIDY_SECONDS = 0.5
CONFIRM_SECONDS = 10.0
WRITTEN_TOGETHER = 64 * 1024

Message = tuple[str, bytes, BasicProperties]
"""Routing key, body, properties."""


class Confirms:
    """Which messages the broker has not answered, by their tags, and the ids of those not taken.

    Confirms come in any order, and one may speak for many (``multiple``).
    """

    def __init__(self) -> None:
        self.waiting: dict[int, str] = {}
        self.refused: set[str] = set()

    def answer(self, tag: int, *, multiple: bool, taken: bool) -> None:
        answered = [tag] if tag in self.waiting else []
        if multiple:
            answered = list(takewhile(lambda waiting: waiting <= tag, self.waiting))
        ids = [self.waiting.pop(one) for one in answered]
        if not taken:
            self.refused.update(ids)


class _Connection(SelectConnection):  # type: ignore[misc] # pika has no types here
    """pika's, which writes each frame by itself, three for a message; save for what we gather."""

    _gathered: bytearray | None = None

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Write what is told in the block in few large pieces."""
        self._gathered = bytearray()
        try:
            yield
        finally:
            self._write_gathered()
            self._gathered = None

    def _adapter_emit_data(self, data: bytes) -> None:
        if self._gathered is None:
            super()._adapter_emit_data(data)
            return
        self._gathered += data
        if len(self._gathered) >= WRITTEN_TOGETHER:
            self._write_gathered()

    def _write_gathered(self) -> None:
        if self._gathered:
            super()._adapter_emit_data(bytes(self._gathered))
            self._gathered.clear()


class Line:
    """A channel in confirm mode, open from ``open`` until it breaks or is closed.

    Args:
        connect_seconds: How long a broker may take to let us in.
    """

    def __init__(
        self, url: str, name: str, *, connect_seconds: float = 2 * CONNECT_SECONDS
    ) -> None:
        self._parameters = parameters(url, name)
        self._parameters.stack_timeout = connect_seconds
        # A little longer than pika itself: whatever it gives up, it also closes.
        self._patience = connect_seconds + TIDY_SECONDS
        self.connection: _Connection | None = None
        self._channel: Channel | None = None
        self._next_tag = 1
        self._confirms = Confirms()
        self._failure: str | None = None

    @property
    def is_open(self) -> bool:
        return self._channel is not None and self._failure is None

    @property
    def channel(self) -> Channel:
        """The open channel.

        Raises:
            BrokerUnavailable: It broke, or was never opened.
        """
        if self._channel is None or self._failure is not None:
            raise self.broken(self._failure or "not connected")
        return self._channel

    def open(self) -> None:
        """Connect anew.

        Raises:
            BrokerUnavailable: No broker.
        """
        self.close()
        self._failure = None
        try:
            self.connection = _Connection(
                self._parameters,
                on_open_callback=lambda connection: connection.channel(
                    on_open_callback=self._on_channel
                ),
                on_open_error_callback=self.fail,
                on_close_callback=self.fail,
            )
        except BROKER_ERRORS as error:
            raise BrokerUnavailable(str(error)) from error
        if not self.run(self._patience, until=lambda: self._channel is not None):
            raise self.broken("no connection")

    def send(self, exchange: str, messages: Iterable[Message]) -> None:
        """Send messages without waiting for their confirms.

        Raises:
            BrokerUnavailable: The connection broke.
        """
        with self.writing() as channel:
            for key, body, properties in messages:
                self._confirms.waiting[self._next_tag] = str(properties.message_id)
                self._next_tag += 1
                channel.basic_publish(exchange, key, body, properties, mandatory=True)

    def confirmed(self, *, timeout: float = CONFIRM_SECONDS) -> set[str]:
        """Wait for the confirms of all that was sent; returns the ids of those not taken.

        The broker confirms what it could not route, after it returned it: ``mandatory`` and the
        returns make that a refusal.

        Raises:
            BrokerUnavailable: The connection broke, or a confirm did not come in *timeout* seconds;
                any of the messages may or may not have arrived.
        """
        if not self.run(timeout, until=lambda: not self._confirms.waiting):
            raise self.broken("no confirm in time")
        refused, self._confirms.refused = self._confirms.refused, set()
        return refused

    @contextmanager
    def writing(self) -> Iterator[Channel]:
        """The open channel; what it is told in the block leaves together after it.

        Raises:
            BrokerUnavailable: The connection broke.
        """
        channel = self.channel
        assert self.connection is not None
        with self.connection.gathering():
            yield channel
        self.flush()

    def flush(self) -> None:
        """Let the loop write what can be written, and read what is there."""
        self._run(0)

    def run(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> bool:
        """Let the loop run; who makes *until* true calls ``stop``. Returns whether it is.

        Raises:
            BrokerUnavailable: The connection broke.
        """
        deadline = time.monotonic() + seconds
        while not (is_done := until()) and (left := deadline - time.monotonic()) > 0:
            self._run(left)
        return is_done

    def _run(self, seconds: float) -> None:
        if self.connection is None or self._failure is not None:
            raise self.broken(self._failure or "not connected")
        loop = self.connection.ioloop
        handle = loop.call_later(seconds, loop.stop)
        try:
            loop.start()
        except BROKER_ERRORS as error:
            raise self.broken(str(error)) from error
        loop.remove_timeout(handle)
        if self._failure is not None:
            raise self.broken(self._failure)

    def wake(self) -> None:
        """Let who waits in ``run`` look at its condition: all that another thread may say here."""
        connection = self.connection
        if connection is not None:
            connection.ioloop.add_callback_threadsafe(self.stop)

    def stop(self, *_: object) -> None:
        """End the wait."""
        if self.connection is not None:
            self.connection.ioloop.stop()

    def fail(self, _source: object, reason: object) -> None:
        """Note why this line is of no use any more, and end the wait."""
        self._failure = str(reason) or type(reason).__name__
        self.stop()

    def broken(self, reason: str) -> BrokerUnavailable:
        """The error to raise, with the connection closed."""
        self._failure = reason
        self.close()
        return BrokerUnavailable(reason)

    def close(self) -> None:
        """Close the connection; never raises."""
        connection, self.connection, self._channel = self.connection, None, None
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

    def _on_channel(self, channel: Channel) -> None:
        channel.add_on_close_callback(self.fail)
        channel.add_on_return_callback(self._on_return)

        def ready(_answer: object) -> None:
            self._channel, self._next_tag, self._confirms = channel, 1, Confirms()
            self.stop()

        channel.confirm_delivery(self._on_answer, callback=ready)

    def _on_return(
        self, _channel: Channel, _method: Basic.Return, properties: BasicProperties, _body: bytes
    ) -> None:
        self._confirms.refused.add(str(properties.message_id))

    def _on_answer(self, frame: Method[Any]) -> None:
        method = frame.method
        taken = isinstance(method, Basic.Ack)
        self._confirms.answer(method.delivery_tag, multiple=method.multiple, taken=taken)
        if not self._confirms.waiting:
            self.stop()


class Answers:
    """The broker's answers to some questions of one kind, in their order."""

    def __init__(self, line: Line, count: int) -> None:
        self._line = line
        self._count = count
        self._found: list[Method[Any]] = []

    def add(self, answer: Method[Any]) -> None:
        self._found.append(answer)
        if self._are_all_there():
            self._line.stop()

    def wait(self) -> list[Method[Any]]:
        """All of them.

        Raises:
            BrokerUnavailable: The broker said no, or nothing in time.
        """
        if not self._line.run(CONFIRM_SECONDS, until=self._are_all_there):
            raise self._line.broken("no answer in time")
        return self._found

    def _are_all_there(self) -> bool:
        return len(self._found) == self._count
