# SPDX-License-Identifier: Apache-2.0
"""Whether everybody who reads a publisher's events can get them: nothing is told before that.

``mandatory`` is content with one queue. An event that is told before another reader has declared
its own would never reach that one.
"""

import time
from collections.abc import Callable, Sequence

from pika import SelectConnection
from pika.channel import Channel
from pika.exceptions import ChannelClosedByBroker

from common.amqp.topology import Topology
from common.contracts import SUBSCRIPTIONS
from common.logs import get_logger

log = get_logger(__name__)

LOOK_SECONDS = 5.0
"""Who deletes a queue that is in use is noticed so much later; a new connection looks at once.
While nothing is told nobody looks: catalog's readers have 32 queues to ask for."""
NOT_FOUND = 404


class QueuesMissing(Exception):
    """Somebody's queues are not there yet, or no longer. Nothing was published."""


def readers_of(publisher: str) -> list[Topology]:
    """What each reader needs from the broker for the events of *publisher*."""
    return [
        Topology(service=reader, events=mine)
        for reader, events in SUBSCRIPTIONS.items()
        if (mine := tuple(event for event in events if event.publisher == publisher))
    ]


class Watch:
    """Knows whether every reader has its queues.

    Args:
        absent: Asks the broker which of these queues are not there.
    """

    def __init__(
        self, readers: Sequence[Topology], absent: Callable[[Sequence[str]], list[str]]
    ) -> None:
        self._queues = [queue for reader in readers for queue in reader.queue_names()]
        self._absent = absent
        self._missing: list[str] = []
        self.renew()

    def renew(self) -> None:
        """Trust nothing that was seen before: the broker may be another one."""
        self._looked_at = float("-inf")

    def look(self) -> None:
        """Look now and then; and each time while a queue is missing, which is logged once.

        Raises:
            QueuesMissing: One is, or was so a moment ago.
        """
        is_fresh = time.monotonic() - self._looked_at < LOOK_SECONDS
        if not self._queues or (is_fresh and not self._missing):
            return
        has_waited = bool(self._missing)
        # The first that is missing speaks for all: each miss is an error in the broker's log.
        if not (has_waited and self._absent(self._missing[:1])):
            self._look_at_all()
        # The next look is believed: a queue that is declared again is bound a moment later.
        if has_waited or self._missing:
            raise QueuesMissing(", ".join(self._missing))

    def _look_at_all(self) -> None:
        known, self._missing = self._missing, self._absent(self._queues)
        self._looked_at = time.monotonic()
        if self._missing:
            log.warning("publisher_waits_for_readers", missing_queues=self._missing)
        elif known:
            log.info("readers_are_there")


class RollCall:
    """Asks for queues by their names, on channels of its own: a missing one costs its channel.

    It asks passively, which needs no rights to the queues. Nobody can ask for a binding; but a
    reader declares a queue for dead letters after it has bound the one for events, so where both
    are, the binding is.

    Attributes:
        missing: The queues for events that are not there, or were never bound.
    """

    def __init__(
        self, connection: SelectConnection, queues: Sequence[str], on_end: Callable[[], None]
    ) -> None:
        self.missing: list[str] = []
        self.is_over = False
        self._connection = connection
        self._left = [(queue, name) for queue in queues for name in (queue, f"{queue}.dead")]
        self._on_end = on_end
        connection.channel(on_open_callback=self._on_open)

    def _on_open(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._on_close)
        self._ask(channel)

    def _ask(self, channel: Channel) -> None:
        if self._left:
            _, name = self._left[0]
            channel.queue_declare(name, passive=True, callback=lambda _: self._found(channel))
        else:
            channel.close()

    def _found(self, channel: Channel) -> None:
        self._left.pop(0)
        self._ask(channel)

    def _on_close(self, _channel: Channel, reason: Exception) -> None:
        if isinstance(reason, ChannelClosedByBroker) and reason.reply_code == NOT_FOUND:
            missing, _ = self._left[0]
            self.missing.append(missing)
            self._left = [one for one in self._left if one[0] != missing]
            self._connection.channel(on_open_callback=self._on_open)
        elif not self._left:
            self.is_over = True
            self._on_end()
