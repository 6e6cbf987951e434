# SPDX-License-Identifier: Apache-2.0
"""Publishing with pipelined confirms: the batch is on its way before the first confirm is back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pika import BasicProperties

from common.amqp.connection import CONNECT_SECONDS
from common.amqp.line import CONFIRM_SECONDS, Line
from common.amqp.readers import RollCall, Watch
from common.amqp.topology import Topology
from common.events import CONTENT_TYPE


@dataclass(slots=True, kw_only=True)
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
            headers=self.headers or None,
            delivery_mode=2,
        )


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
        self._line = Line(url, name, connect_seconds=connect_seconds)
        self._watch = Watch(readers, self._absent)

    def publish(
        self, messages: Sequence[Outgoing], exchange: str, *, timeout: float = CONFIRM_SECONDS
    ) -> set[str]:
        """Publish *messages*, wait for every confirm, and return the ids of those not taken.

        Raises:
            QueuesMissing: A reader's queues are not there; none of the messages went out.
            BrokerUnavailable: The connection broke, or a confirm did not come in *timeout* seconds;
                any of the messages may or may not have arrived.
        """
        self.connect()
        self.send(messages, exchange)
        return self.confirmed(timeout=timeout)

    def send(self, messages: Iterable[Outgoing], exchange: str) -> None:
        """Publish *messages*; whether they were taken tells ``confirmed``.

        It never connects: on another connection nobody would wait for the confirms of this one.

        Raises:
            BrokerUnavailable: Not connected, or the connection broke.
        """
        self._line.send(
            exchange, ((one.routing_key, one.body, one.properties()) for one in messages)
        )

    def confirmed(self, *, timeout: float = CONFIRM_SECONDS) -> set[str]:
        """Wait for the confirms of all that was sent; returns the ids of those not taken.

        Raises:
            BrokerUnavailable: As for ``publish``.
        """
        return self._line.confirmed(timeout=timeout)

    def wait(self, seconds: float) -> None:
        """Be connected for so long, while nothing is published.

        Raises:
            BrokerUnavailable: No broker, or the connection broke.
        """
        self._open()
        self._line.run(seconds)

    def keep_alive(self) -> None:
        """Be connected: answer heartbeats, and find out whether the connection broke.

        Raises:
            BrokerUnavailable: As for ``wait``.
        """
        self._open()
        self._line.flush()

    def connect(self) -> None:
        """Connect now instead of at the first message, and look for the readers' queues.

        Raises:
            QueuesMissing: A reader's queues are not there.
            BrokerUnavailable: No broker.
        """
        self._open()
        self._watch.look()

    def _open(self) -> None:
        if not self._line.is_open:
            self._watch.renew()
            self._line.open()

    def close(self) -> None:
        """Close the connection; never raises."""
        self._line.close()

    def _absent(self, queues: Sequence[str]) -> list[str]:
        assert self._line.connection is not None
        roll_call = RollCall(self._line.connection, queues, on_end=self._line.stop)
        if not self._line.run(CONFIRM_SECONDS, until=lambda: roll_call.is_over):
            raise self._line.broken("no word about queues in time")
        return roll_call.missing
