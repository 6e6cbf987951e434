# SPDX-License-Identifier: Apache-2.0
"""Consuming: each event's effect happens once, however often the event is delivered."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from threading import Event as Signal
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy.orm import Session

from common import inbox, traces
from common.amqp import BrokerUnavailable, Consumer, Delivery, Topology, TopologyConflict
from common.clock import utcnow
from common.context import traced
from common.contracts import EVENTS
from common.db import Database
from common.events import Envelope, Event
from common.logs import get_logger
from common.metrics import HANDLED, LAG, QUEUE_MESSAGES
from common.problems import Unavailable
from common.stopping import on_stop

log = get_logger(__name__)

Handler = Callable[[Session, Any, Envelope], None]
"""What to do about one event: ``on_order_placed(session, event, envelope)``. It must do no harm
when it runs twice, and it must not mind news that are older than what it knows."""

BatchHandler = Callable[[Session, Sequence[tuple[Any, Envelope]]], Collection[UUID]]
"""What to do about many events of one kind at once, with a few statements for all of them; returns
the ids of those that it knew. What it does in one event's name goes in ``traced(...as_cause())``.

Of a stream it must know each event again by the key of what it writes: the inbox would write each
a second time, and is not asked. Of an event that stands for many, the ids are theirs."""

MOST_ATTEMPTS = 6
MOST_TOGETHER = 1000
"""So much is handled in one transaction, where events stand for many."""
LANES = 2
"""So many parts of a backlog are handled at a time. With two the interpreter has no time left."""
RECEIVE_SECONDS = 5.0
GATHER_SECONDS = 0.02
LONGEST_REST_SECONDS = 0.25
"""After a batch that was not full. The first event of a while is handled at once, and what comes
right behind it goes together: of a rush each transaction alone would cost more than its events."""
TROUBLE_SECONDS = 1.0
MEASURE_SECONDS = 15.0
IDLE_MEASURES = 4
"""Who received nothing counts its queues so much more seldom: each has three to ask for."""


@dataclass(frozen=True, kw_only=True)
class _Item:
    delivery: Delivery
    envelope: Envelope
    event: Event


class Poison(Exception):
    """A message that no attempt will make readable."""


def rest_after(seconds: float) -> float:
    """For how long to let events gather after work of so many seconds.

    As long as the work took: in a rush half of the time, and of the processor, is the buyers'.
    """
    return min(max(seconds, GATHER_SECONDS), LONGEST_REST_SECONDS)


def read_message(body: bytes) -> tuple[Envelope, Event]:
    """Parse one message.

    Raises:
        Poison: It is no event of ours, or one from the future.
    """
    try:
        envelope = Envelope.from_json(body)
        event_class = EVENTS[envelope.type]
        if envelope.dataschemaversion != str(event_class.version):
            raise Poison(f"{envelope.type} has version {envelope.dataschemaversion}")
        return envelope, event_class.model_validate(envelope.data)
    except (ValueError, KeyError, TypeError) as error:
        raise Poison(f"{type(error).__name__}: not a readable event") from error


def halves_of(body: bytes) -> dict[str, bytes]:
    """The halves of a message that tells of many, by their ids; none of what tells of one.

    So what can not be read or handled ends up alone in a message, and is tried again and buried
    alone. Its halves have the same ids whenever a message is halved.
    """
    try:
        envelope = Envelope.from_json(body)
        event_class = EVENTS[envelope.type]
        field = event_class.gathers or ""
        many = envelope.data[field]
    except (ValueError, KeyError, TypeError):
        return {}
    is_ours = envelope.dataschemaversion == str(event_class.version)
    if not (is_ours and isinstance(many, list) and len(many) > 1):
        return {}
    middle = len(many) // 2
    parts = {"first": many[:middle], "second": many[middle:]}
    halves = [
        envelope.model_copy(
            update={"id": uuid5(envelope.id, name), "data": envelope.data | {field: part}}
        )
        for name, part in parts.items()
    ]
    return {str(half.id): half.to_json() for half in halves}


def portions(items: Sequence[_Item], *, most: int) -> Iterator[list[_Item]]:
    """*items* in their order, in parts of at most so much, or of one item."""
    portion: list[_Item] = []
    room = most
    for item in items:
        room -= _weight(item)
        if portion and room < 0:
            yield portion
            portion, room = [], most - _weight(item)
        portion.append(item)
    if portion:
        yield portion


class Subscriber:
    """Handles one service's queues, a batch a transaction.

    Args:
        most: How many events a batch has at most.
    """

    def __init__(
        self,
        database: Database,
        url: str,
        topology: Topology,
        handlers: Mapping[type[Event], Handler],
        batch_handlers: Mapping[type[Event], BatchHandler] | None = None,
        *,
        most: int = 100,
    ) -> None:
        batch_handlers = batch_handlers or {}
        missing = set(topology.events) ^ (handlers.keys() | batch_handlers.keys())
        if missing:
            names = sorted(event.type() for event in missing)
            raise ValueError(f"subscribed and handled events differ: {', '.join(names)}")
        self._database = database
        self._url = url
        self._topology = topology
        self._handlers = handlers
        self._batch_handlers = batch_handlers
        self._streamed = set(topology.streams) & batch_handlers.keys()
        self._most = most
        self._measured_at = float("-inf")
        self._has_received = False
        self._consumer: Consumer | None = None

    def run(self, stop: Signal) -> None:
        """Consume until *stop*; wait out a broker or a database that is gone.

        Raises:
            TopologyConflict: The broker holds queues of ours with other arguments.
        """
        on_stop(stop, self._wake)
        while not stop.is_set():
            try:
                self._topology.declare(self._url)
                self._consume(stop)
            except TopologyConflict:
                raise
            except BrokerUnavailable as error:
                log.warning("subscriber_waits", reason=str(error))
                # What was known of the queues is not known any more.
                QUEUE_MESSAGES.clear()
                self._measured_at = float("-inf")
                stop.wait(TROUBLE_SECONDS)

    def _wake(self) -> None:
        if consumer := self._consumer:
            consumer.wake()

    def _consume(self, stop: Signal) -> None:
        self._consumer = consumer = Consumer(
            self._url,
            f"{self._topology.service} subscriber",
            queues=self._topology.queue_names(),
            exchange=self._topology.exchange,
            most=self._most,
        )
        try:
            while not stop.is_set():
                self._measure(consumer)
                batch = consumer.receive(wait=RECEIVE_SECONDS, or_until=stop.is_set)
                if batch:
                    self._has_received = True
                    began = time.monotonic()
                    if self._finish(consumer, batch, stop) < self._most:
                        consumer.gather(rest_after(time.monotonic() - began))
        finally:
            consumer.close()

    def _measure(self, consumer: Consumer) -> None:
        now = time.monotonic()
        pause = MEASURE_SECONDS * (1 if self._has_received else IDLE_MEASURES)
        if now - self._measured_at < pause:
            return
        self._has_received = False
        for queue in self._topology.queue_names():
            for kind, count in consumer.backlog(queue).items():
                QUEUE_MESSAGES.labels(queue, kind).set(count)
        self._measured_at = now

    def _finish(self, consumer: Consumer, batch: Sequence[Delivery], stop: Signal) -> int:
        """Do what is to be done about *batch*; returns how much it was."""
        items = []
        for delivery in batch:
            try:
                envelope, event = read_message(delivery.body)
                items.append(_Item(delivery=delivery, envelope=envelope, event=event))
            except Poison as error:
                if self._split(consumer, delivery, str(error)):
                    continue
                log.error("event_unreadable", queue=delivery.queue, reason=str(error))
                HANDLED.labels(delivery.properties.type or "unknown", "dead").inc()
                consumer.bury(delivery, str(error))
        together = list(portions(items, most=MOST_TOGETHER))
        if len(together) > 1:
            self._settle_side_by_side(consumer, together, stop)
        elif together:
            self._settle(consumer, together[0], stop)
        return sum(map(_weight, items))

    def _settle_side_by_side(
        self, consumer: Consumer, together: Sequence[Sequence[_Item]], stop: Signal
    ) -> None:
        """Handle each of *together* in a transaction, two at a time: one waits for the database."""
        lanes = ThreadPoolExecutor(LANES, thread_name_prefix="lane")
        try:
            tried = [lanes.submit(self._database.run, self._handle, items) for items in together]
            for items, attempt in zip(together, tried, strict=True):
                self._settle(consumer, items, stop, attempt.result)
        finally:
            lanes.shutdown(cancel_futures=True)

    def _settle(
        self,
        consumer: Consumer,
        items: Sequence[_Item],
        stop: Signal,
        attempt: Callable[[], set[UUID]] | None = None,
    ) -> None:
        """Handle *items* in one transaction; where one fails, halve until it stands alone.

        Args:
            attempt: What comes of the first one.
        """
        handle = partial(self._database.run, self._handle, items)
        while not stop.is_set():
            try:
                duplicates = (attempt or handle)()
            except Unavailable as error:
                if attempt is not None:
                    # It failed a while ago, beside others: the database may be back.
                    attempt = None
                    continue
                # The database is away. That is not the events' fault: no attempt is counted.
                log.warning("subscriber_waits", reason=error.detail)
                consumer.pause(TROUBLE_SECONDS)
                self._measure(consumer)
            except BrokerUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a handler raises is its event's trouble
                if len(items) > 1:
                    middle = len(items) // 2
                    self._settle(consumer, items[:middle], stop)
                    self._settle(consumer, items[middle:], stop)
                elif not self._split(consumer, items[0].delivery, _reason(error)):
                    self._refuse(consumer, items[0], error)
                return
            else:
                consumer.acknowledge([item.delivery for item in items])
                self._tell(items, duplicates)
                return

    def _handle(self, session: Session, items: Sequence[_Item]) -> set[UUID]:
        """Handle each event that is new; returns the ids of the others."""
        once: dict[UUID, _Item] = {}
        streamed: defaultdict[type[Event], dict[UUID, _Item]] = defaultdict(dict)
        for item in items:
            event_class = type(item.event)
            received = streamed[event_class] if event_class in self._streamed else once
            received[item.envelope.id] = item
        known = self._handle_once(session, once) if once else set()
        for event_class, stream in streamed.items():
            handler = self._batch_handlers[event_class]
            known.update(handler(session, [(one.event, one.envelope) for one in stream.values()]))
        return known

    def _handle_once(self, session: Session, items: Mapping[UUID, _Item]) -> set[UUID]:
        consumer = self._topology.service
        # The inbox comes first: a second worker with the same event fails here, before any effect.
        known = inbox.remember_new(session, consumer, items.keys())
        together: defaultdict[type[Event], list[_Item]] = defaultdict(list)
        for item in (item for event_id, item in items.items() if event_id not in known):
            event_class = type(item.event)
            if event_class in self._batch_handlers:
                together[event_class].append(item)
                continue
            with traced(item.envelope.as_cause()), _span_of(item):
                self._handlers[event_class](session, item.event, item.envelope)
        for event_class, batch in together.items():
            known.update(self._handle_together(session, event_class, batch))
        return known

    def _handle_together(
        self, session: Session, event_class: type[Event], items: Sequence[_Item]
    ) -> Collection[UUID]:
        handler = self._batch_handlers[event_class]
        if len(items) == 1:
            [item] = items
            with traced(item.envelope.as_cause()), _span_of(item):
                return handler(session, [(item.event, item.envelope)])
        with traces.handling_together(event_class.type(), [_told_by(i) for i in items]) as spans:
            received = [
                (item.event, _under(span, item.envelope))
                for item, span in zip(items, spans, strict=True)
            ]
            return handler(session, received)

    def _tell(self, items: Sequence[_Item], duplicates: Collection[UUID]) -> None:
        known, outcomes = set(duplicates), Counter[tuple[str, str]]()
        now, lines = utcnow(), log.bind()
        for item in items:
            envelope = item.envelope
            ids = item.event.ids() or (envelope.id,)
            new = set(ids) - known
            known |= new
            outcomes[envelope.type, "done"] += len(new)
            outcomes[envelope.type, "duplicate"] += len(ids) - len(new)
            if new:
                LAG.labels(envelope.type).observe((now - envelope.time).total_seconds())
            # Of a stream each event is counted, and none told of.
            if type(item.event) not in self._streamed:
                lines.info(
                    "event_handled",
                    event_type=envelope.type,
                    event_id=str(envelope.id),
                    outcome="done" if new else "duplicate",
                    correlation_id=envelope.correlationid,
                )
        for labels, count in outcomes.items():
            HANDLED.labels(*labels).inc(count)

    def _split(self, consumer: Consumer, delivery: Delivery, reason: str) -> bool:
        """Let the halves of a message that tells of many come by themselves; whether it does."""
        halves = halves_of(delivery.body)
        if halves:
            log.warning("event_halved", queue=delivery.queue, reason=reason)
            consumer.split(delivery, halves)
        return bool(halves)

    def _refuse(self, consumer: Consumer, item: _Item, error: Exception) -> None:
        delivery, reason = item.delivery, _reason(error)
        log.error(
            "event_failed",
            event_type=item.envelope.type,
            event_id=str(item.envelope.id),
            attempt=delivery.attempt,
            exc_info=error,
        )
        if delivery.attempt >= MOST_ATTEMPTS:
            HANDLED.labels(item.envelope.type, "dead").inc()
            consumer.bury(delivery, reason)
        else:
            HANDLED.labels(item.envelope.type, "retried").inc()
            consumer.retry_later(delivery, reason)


def _weight(item: _Item) -> int:
    return len(item.event.ids()) or 1


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def _span_of(item: _Item) -> AbstractContextManager[None]:
    return traces.handling(item.envelope.type, _told_by(item))


def _under(span: str | None, envelope: Envelope) -> Envelope:
    if span == envelope.traceparent:
        return envelope
    return envelope.model_copy(update={"traceparent": span})


def _told_by(item: _Item) -> str | None:
    """The span that it came from: the message's was later than the envelope's, and counts."""
    headers = item.delivery.properties.headers or {}
    return headers.get(traces.PARENT, item.envelope.traceparent)
