# SPDX-License-Identifier: Apache-2.0
"""The relay: takes events from the outbox to the broker, and forgets them when it has confirmed."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from threading import Event as Signal
from typing import Any, Self

from sqlalchemy.orm import Session

from common import outbox, traces
from common.amqp import BrokerUnavailable, Publisher, QueuesMissing, readers_of
from common.amqp.publisher import Outgoing
from common.amqp.topology import EVENTS_EXCHANGE
from common.bell import Bell
from common.clock import utcnow
from common.db import Database
from common.logs import get_logger
from common.metrics import OUTBOX_DEPTH, OUTBOX_OLDEST, PUBLISHED, UNPUBLISHED
from common.problems import Unavailable
from common.question import Question
from common.settings import ServiceSettings
from common.stopping import on_stop

log = get_logger(__name__)

BATCH = 1000
"""So many events, and those of the last part with them, are in one transaction."""
PART = 250
MOST_BYTES = 4 * 1024 * 1024
BUSY_SECONDS = 0.005
GATHER_SECONDS = 0.02
EVENT_SECONDS = 0.01
LONGEST_REST_SECONDS = 0.15
"""Who has moved something rests, the longer the more it was. A lone event's follower hardly waits;
of a rush each transaction would cost more than its events."""
ALERT_SECONDS = 0.06
IDLE_SECONDS = 1.0
DISTRUST_SECONDS = 600.0
"""Of those who tell events some may ring elsewhere: their next event must not wait for a second."""
LATE_SECONDS = 1.0
"""A ring may come so much later than its event where the machine is busy."""
TURN_SECONDS = 4.0
TROUBLE_SECONDS = 1.0
MEASURE_SECONDS = 15.0


class Relay:
    """Publishes one service's outbox. Several may run: each event is claimed by one of them."""

    def __init__(self, database: Database, publisher: Publisher, bell: Bell | None = None) -> None:
        self._database = database
        self._publisher = publisher
        self._bell = bell
        self._question = Question(database, outbox.IS_WAITED_FOR)
        self._idle_rounds = 0
        self._rang = False
        self._alert_until = float("-inf") if bell else float("inf")
        self._alert_before = self._alert_until
        self._unannounced_at = float("-inf")
        self._measured_at = float("-inf")
        self._turned_at = float("-inf")

    @classmethod
    def connect(cls, service: str, config: ServiceSettings, database: Database) -> Self:
        publisher = Publisher(
            config.amqp_url.get_secret_value(), f"{service} relay", readers=readers_of(service)
        )
        return cls(database, publisher, Bell(config.worker_host, config.worker_port))

    def run(self, stop: Signal) -> None:
        """Relay until *stop*: soon again while there is something, at once when the bell rings.

        Who relays nothing looks every second; or every 60 ms where no bell announces the events.
        """
        if self._bell:
            on_stop(stop, self._bell.wake)
        while not stop.is_set():
            try:
                # First: it is when the broker is away that the age of what waits must be seen.
                self._measure()
                self._rest(stop, self.run_once() if self._has_reason() else 0)
            except QueuesMissing:
                # The publisher has said whose, once, and looks again with its next word.
                UNPUBLISHED.labels("no_queue").inc()
                stop.wait(TROUBLE_SECONDS)
            except (BrokerUnavailable, Unavailable) as error:
                UNPUBLISHED.labels("unavailable").inc()
                log.warning("relay_waits", reason=str(error))
                self._publisher.close()
                stop.wait(TROUBLE_SECONDS)
        self._publisher.close()
        self._question.close()
        if self._bell:
            self._bell.close()

    def run_once(self) -> int:
        """Publish one batch; returns how many events the broker took."""
        if self._bell:
            # Before the claim: a ring that comes later may be for what this one does not see.
            self._rang = self._bell.hush() or self._rang
        return self._database.run(self._move)

    def _has_reason(self) -> bool:
        return self._rang or not self._idle_rounds or self._question.ask()

    def _move(self, session: Session) -> int:
        # Published while the rows are locked: a crash before the commit publishes them again, never
        # loses them, and readers' inboxes drop the second copy.
        self._publisher.connect()
        sent = self._send_all(session)
        if not sent:
            return 0
        refused = self._publisher.confirmed()
        taken = {seq: message for seq, message in sent.items() if message.id not in refused}
        outbox.settle(session, taken)
        outbox.postpone(session, sent.keys() - taken, now=utcnow())
        _count(taken.values(), refused)
        return len(taken)

    def _send_all(self, session: Session) -> dict[int, Outgoing]:
        """Send what waits, part by part: the next is claimed while the broker has the last."""
        sent: dict[int, Outgoing] = {}
        now, after, size = utcnow(), 0, 0
        while len(sent) < BATCH and size < MOST_BYTES:
            part = dict(map(_message, outbox.claim(session, limit=PART, now=now, after=after)))
            if part:
                self._send(list(part.values()))
                sent |= part
                size += sum(len(message.body) for message in part.values())
                after = max(part)
            if len(part) < PART:
                break
        return sent

    def _send(self, messages: Sequence[Outgoing]) -> None:
        with traces.publishing(messages):
            self._publisher.send(messages, EVENTS_EXCHANGE)

    def _measure(self) -> None:
        now = time.monotonic()
        if now - self._measured_at >= MEASURE_SECONDS:
            depth, oldest = self._database.read(outbox.backlog)
            OUTBOX_DEPTH.set(depth)
            OUTBOX_OLDEST.set(oldest)
            self._measured_at = now

    def _rest(self, stop: Signal, moved: int) -> None:
        if moved and self._idle_rounds:
            self._notice_unannounced()
        self._idle_rounds = 0 if moved else self._idle_rounds + 1
        if moved >= BATCH:
            return
        self._turn()
        if self._rang and not moved:
            self._notice_late_ring()
        if moved or self._rang:
            # Deaf for a moment: what is told meanwhile goes together, however much it rings.
            stop.wait(rest_after(moved))
            self._rang = False
            return
        longest = ALERT_SECONDS if time.monotonic() < self._alert_until else IDLE_SECONDS
        pause = min(longest, BUSY_SECONDS * 2 ** min(self._idle_rounds, 8))
        self._rang = self._bell.wait(pause) if self._bell else stop.wait(pause)

    def _notice_unannounced(self) -> None:
        # Whoever looks at the right moment sees an event before its ring, which is there by now.
        # And a ring for the next one is not missed: after this batch comes a claim in any case.
        if self._bell and not (self._rang or self._bell.hush()):
            self._unannounced_at = time.monotonic()
            self._alert_before = self._alert_until
            self._alert_until = self._unannounced_at + DISTRUST_SECONDS

    def _notice_late_ring(self) -> None:
        # It rang for nothing: for what was found before it came. So that was announced after all.
        if time.monotonic() - self._unannounced_at < LATE_SECONDS:
            self._alert_until = self._alert_before

    def _turn(self) -> None:
        """Let the connection live, now and then: a turn of its loop costs more than a look."""
        now = time.monotonic()
        if now - self._turned_at >= TURN_SECONDS:
            self._publisher.keep_alive()
            self._turned_at = now


def rest_after(moved: int) -> float:
    """For how many seconds to let events gather after a batch of so many."""
    return min(max(moved * EVENT_SECONDS, GATHER_SECONDS), LONGEST_REST_SECONDS)


def _message(row: Sequence[Any]) -> tuple[int, Outgoing]:
    """What a claimed row says, by its number."""
    # By their places: to find a column by its name takes longer than to read it.
    seq, event_id, event_type, routing_key, correlation_id, body, timestamp = row
    message = Outgoing(
        id=_in_words(event_id),
        type=event_type,
        body=body,
        routing_key=routing_key,
        timestamp=timestamp,
        correlation_id=correlation_id,
    )
    return seq, message


def _in_words(event_id: bytes) -> str:
    digits = event_id.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _count(taken: Iterable[Outgoing], refused: set[str]) -> None:
    for event_type, count in Counter(message.type for message in taken).items():
        PUBLISHED.labels(event_type).inc(count)
    if refused:
        UNPUBLISHED.labels("unroutable").inc(len(refused))
        log.warning("events_not_taken", count=len(refused))
