# SPDX-License-Identifier: Apache-2.0
"""Takes views from the log to the broker. A position is kept only after the broker's confirm."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event as Signal
from typing import Protocol

from prometheus_client import Counter, Gauge

from common.amqp import BrokerUnavailable, QueuesMissing
from common.amqp.publisher import Outgoing
from common.amqp.topology import EVENTS_EXCHANGE
from common.contracts import ProductsViewed
from common.logs import get_logger
from common.metrics import PUBLISHED, UNPUBLISHED
from shipper import offsets
from shipper.tail import bytes_behind, next_batch
from shipper.views import UnreadableLine, View, message_of, shown, view_of

log = get_logger(__name__)

IDLE_SECONDS = 0.25
LONGEST_IDLE_SECONDS = 1.0
READER_SECONDS = 1.0
MOST_VIEWS = 100
MOST_BYTES = 64 * 1024
"""Of the lines of a message; what is made of a line is about as long."""
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0

SKIPPED = Counter("souk_view_lines_skipped_total", "Lines of the view log that are no view")
BEHIND = Gauge("souk_view_log_behind_bytes", "How much of the view log is not shipped yet")


class NotTaken(Exception):
    """The broker has no room for views; they stay in the log."""


class Broker(Protocol):
    """What the shipper needs of ``common.amqp.Publisher``."""

    def publish(self, messages: Sequence[Outgoing], exchange: str) -> set[str]: ...
    def wait(self, seconds: float) -> object: ...
    def close(self) -> None: ...


class Shipper:
    """Ships one view log.

    Args:
        key: Viewers are hashed with it.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        view_log: Path,
        offset_file: Path,
        broker: Broker,
        *,
        key: bytes,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._view_log = view_log
        self._offset_file = offset_file
        self._broker = broker
        self._key = key
        self._clock = clock
        self._position = offsets.load(offset_file)
        self._idle_seconds = IDLE_SECONDS

    def run(self, stop: Signal) -> None:
        """Ship until *stop*, and then what is there. While the broker is away, views wait."""
        # Asked for at each look, for it must be right while nothing moves.
        BEHIND.set_function(lambda: bytes_behind(self._view_log, self._position))
        pause = FIRST_PAUSE_SECONDS
        while not stop.is_set():
            try:
                if not self.ship_batch():
                    self._idle()
                pause = FIRST_PAUSE_SECONDS
            except QueuesMissing:
                UNPUBLISHED.labels("no_queue").inc()
                stop.wait(READER_SECONDS)
            except (BrokerUnavailable, NotTaken) as error:
                UNPUBLISHED.labels("unavailable").inc()
                log.warning("shipper_waits", reason=str(error), seconds=pause)
                self._broker.close()
                stop.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        self._ship_the_rest()
        self._broker.close()

    def ship_batch(self) -> int:
        """Ship what is next in the log; how many lines that was.

        Raises:
            QueuesMissing: Nothing was sent: a reader of views has no queue for them.
            BrokerUnavailable, NotTaken: Some or all may not have arrived; the next call sends the
                same events with the same ids once more.
        """
        batch = next_batch(self._view_log, self._position, now=self._clock())
        if batch.lines:
            messages, unreadable = _sorted_out(batch.lines, self._key)
            self._publish(messages, views=len(batch.lines) - len(unreadable))
            offsets.keep(self._offset_file, batch.position)
            self._position = batch.position
            self._idle_seconds = IDLE_SECONDS
            _report(unreadable)
        return len(batch.lines)

    def _publish(self, messages: Sequence[Outgoing], *, views: int) -> None:
        if not messages:
            return
        refused = self._broker.publish(messages, EVENTS_EXCHANGE)
        if refused:
            raise NotTaken(f"{len(refused)} of {len(messages)} messages were not taken")
        PUBLISHED.labels(ProductsViewed.type()).inc(views)

    def _ship_the_rest(self) -> None:
        # In Kubernetes the log goes with its pod, and nginx has written its last line by now.
        try:
            while self.ship_batch():
                pass
        except (BrokerUnavailable, NotTaken, QueuesMissing) as error:
            log.warning("views_left", reason=str(error))

    def _idle(self) -> None:
        self._broker.wait(self._idle_seconds)
        self._idle_seconds = min(2 * self._idle_seconds, LONGEST_IDLE_SECONDS)


def _sorted_out(lines: Sequence[bytes], key: bytes) -> tuple[list[Outgoing], list[bytes]]:
    unreadable: list[bytes] = []
    together: list[list[View]] = []
    room = 0
    for line in lines:
        try:
            view = view_of(line, key)
        except UnreadableLine:
            unreadable.append(line)
            continue
        room -= len(line)
        if room < 0 or len(together[-1]) == MOST_VIEWS:
            together.append([])
            room = MOST_BYTES - len(line)
        together[-1].append(view)
    return [message_of(views) for views in together], unreadable


def _report(unreadable: Sequence[bytes]) -> None:
    for line in unreadable:
        SKIPPED.inc()
        log.warning("line_skipped", line=shown(line), bytes=len(line))
