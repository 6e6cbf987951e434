# SPDX-License-Identifier: Apache-2.0
"""Dead letters: events that no attempt could handle, listed and sent back to where they failed.

Each service looks after its own, with its own user of the broker; analytics asks all of them.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from hashlib import sha256
from itertools import islice
from typing import Annotated, Any, Self, TypeVar

from apiflask import APIBlueprint
from flask import Response, jsonify
from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from common.access import internal
from common.amqp import BrokerUnavailable, Delivery, Graveyard, Topology, queue_name
from common.amqp.consumer import DIED_HEADER, REASON_HEADER
from common.clock import rfc3339
from common.contracts import EVENTS, SUBSCRIPTIONS
from common.events import Envelope
from common.logs import get_logger
from common.problems import Unavailable
from common.schemas import Query, Schema, Shown
from common.settings import ServiceSettings
from common.subscriber import Poison, read_message

log = get_logger(__name__)

T = TypeVar("T")


def _known(event_type: str) -> str:
    if event_type not in EVENTS:
        raise ValueError(f"must be one of {', '.join(sorted(EVENTS))}")
    return event_type


EventType = Annotated[
    str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": sorted(EVENTS)})
]

TURN_SECONDS = 0.5
WORK_SECONDS = 0.8
"""So long letters are looked at or sent back; the rest is left for the next call."""
ANSWER_SECONDS = 1.2
"""A broker that hangs has no say in how long a request takes."""
MOST_VISITS = 2
"""At once and in this process; of a broker that hangs, no more threads wait than these."""
MOST_LOOKED_AT = 2000
MOST_BYTES_SHOWN = 16 * 1024
MOST_LISTED, MOST_REQUEUED = 200, 500

Handle = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class Letter(Shown):
    """A dead letter.

    Attributes:
        id: The event's; null where the body is no event.
        handle: What to call it when it is requeued: the id, or a digest of an unreadable body.
        event_type: What its queue is for.
        reason: ``failed``: each attempt did; ``unreadable``: none was worth it; else the broker's
            own word, such as ``delivery_limit``.
        error: What the last attempt said.
        data: The event's; null where it is unreadable or large.
    """

    id: str | None
    handle: str
    consumer: str
    event_type: str
    subject: str | None
    reason: str
    error: str | None
    attempts: int
    died_at: str | None
    correlation_id: str | None
    data: dict[str, Any] | None

    @classmethod
    def read(cls, consumer: str, event_type: str, delivery: Delivery) -> Self:
        """What *delivery* says of itself, whatever it is."""
        envelope = _envelope_of(delivery.body)
        headers = delivery.properties.headers or {}
        reason, died_at = _end_of(delivery)
        is_shown = envelope is not None and len(delivery.body) <= MOST_BYTES_SHOWN
        return cls(
            id=str(envelope.id) if envelope else None,
            handle=str(envelope.id) if envelope else _digest(delivery.body),
            consumer=consumer,
            event_type=event_type,
            subject=envelope.subject if envelope else None,
            reason=reason,
            error=_text(headers.get(REASON_HEADER)),
            attempts=delivery.attempt,
            died_at=died_at,
            correlation_id=(
                envelope.correlationid if envelope else _text(delivery.properties.correlation_id)
            ),
            data=envelope.data if envelope and is_shown else None,
        )


class Listing(Shown):
    """Dead letters, and how many there are in all."""

    items: list[Letter]
    total: int


class Requeued(Shown):
    """Which dead letters were sent back, or would have been in a dry run.

    Attributes:
        remaining: How many of the asked kinds still lie there.
    """

    items: list[Letter]
    remaining: int
    dry_run: bool


class Listed(Query):
    type: EventType | None = None
    limit: int = Field(default=50, ge=1, le=MOST_LISTED)


class Requeue(Schema):
    """Which dead letters to send back; without *ids* and *event_type* all, oldest first.

    Attributes:
        ids: Their ids or handles.
        limit: At most so many of each consumer; ask again for more.
        dry_run: Only say which.
    """

    ids: list[Handle] | None = Field(default=None, min_length=1, max_length=MOST_REQUEUED)
    event_type: EventType | None = None
    limit: int = Field(default=100, ge=1, le=MOST_REQUEUED)
    dry_run: bool = False


class DeadLetters:
    """The dead letters of one service.

    Raises:
        Unavailable: From each of its questions, when the broker gives no answer in time. Nothing is
            lost; what was sent back until then may have been sent.
    """

    def __init__(self, url: str, topology: Topology) -> None:
        self._url = url
        self._topology = topology
        self._visits = ThreadPoolExecutor(MOST_VISITS, thread_name_prefix="dead-letters")

    @classmethod
    def connect(cls, service: str, config: ServiceSettings) -> Self:
        topology = Topology(service=service, events=SUBSCRIPTIONS[service])
        return cls(config.amqp_url.get_secret_value(), topology)

    def list(self, *, event_type: str | None, limit: int) -> Listing:
        """The oldest letters of each kind, at most *limit*; all stay where they are."""

        def look(graveyard: Graveyard, deadline: float) -> Listing:
            items: list[Letter] = []
            total = 0
            for kind, queue in self._queues(event_type):
                total += graveyard.depth(queue)
                if len(items) < limit:
                    walk = _walk(graveyard, queue, deadline)
                    items += [self._read(kind, one) for one in islice(walk, limit - len(items))]
                    # All are held, or the broker would put these behind the others.
                    deque(walk, maxlen=0)
                    graveyard.release(queue)
            return Listing(items=items, total=total)

        return self._visit(look)

    def requeue(
        self, *, ids: Collection[str] | None, event_type: str | None, limit: int, dry_run: bool
    ) -> Requeued:
        """Send letters back to their queues, at least once each; the inbox makes it exactly once.

        What dies again while this runs is not sent back a second time.
        """

        def send(graveyard: Graveyard, deadline: float) -> Requeued:
            done: list[Letter] = []
            total = 0
            for kind, queue in self._queues(event_type):
                total += graveyard.depth(queue)
                walk = _walk(graveyard, queue, deadline)
                read = ((one, self._read(kind, one)) for one in walk)
                wanted = (pair for pair in read if ids is None or pair[1].handle in ids)
                # All are held before the first is sent: it may be back among the dead at once.
                chosen = list(islice(wanted, limit - len(done)))
                deque(walk, maxlen=0)
                for delivery, letter in _until(deadline, chosen):
                    if not dry_run:
                        graveyard.send_back(delivery)
                        _say(letter)
                    done.append(letter)
                graveyard.release(queue)
            remaining = total if dry_run else max(0, total - len(done))
            return Requeued(items=done, remaining=remaining, dry_run=dry_run)

        return self._visit(send)

    def _queues(self, event_type: str | None) -> Iterable[tuple[str, str]]:
        for event in self._topology.events:
            if event_type in {None, event.type()}:
                yield event.type(), queue_name(self._topology.service, event.type())

    def _read(self, event_type: str, delivery: Delivery) -> Letter:
        return Letter.read(self._topology.service, event_type, delivery)

    def _visit(self, work: Callable[[Graveyard, float], T]) -> T:
        def visit() -> T:
            with Graveyard(self._url, self._topology, seconds=TURN_SECONDS) as graveyard:
                return work(graveyard, time.monotonic() + WORK_SECONDS)

        # pika waits without an end for a broker that hangs, so it waits in a thread of its own.
        future = self._visits.submit(copy_context().run, visit)
        try:
            return future.result(timeout=ANSWER_SECONDS)
        except TimeoutError as error:
            future.cancel()
            raise Unavailable("The broker does not answer in time; try again.") from error
        except BrokerUnavailable as error:
            log.warning("dead_letters_unavailable", reason=str(error))
            raise Unavailable("The broker is not available; try again.") from error


def dead_letter_routes(service: str, config: ServiceSettings) -> APIBlueprint:
    """A consuming service's answers about its own dead letters; analytics asks for them."""
    letters = DeadLetters.connect(service, config)
    blueprint = APIBlueprint(
        "dead_letters", __name__, url_prefix="/internal/dead-letters", enable_openapi=False
    )

    @blueprint.get("")
    @internal
    @blueprint.input(Listed, location="query", arg_name="wanted")
    def get_dead_letters(wanted: Listed) -> Response:
        """The oldest dead letters of each kind."""
        found = letters.list(event_type=wanted.type, limit=wanted.limit)
        return jsonify(found.model_dump())

    @blueprint.post("")
    @internal
    @blueprint.input(Requeue, arg_name="wanted")
    def post_requeue(wanted: Requeue) -> Response:
        """Send dead letters back to the queues that they died in."""
        return jsonify(letters.requeue(**wanted.model_dump()).model_dump())

    return blueprint


def _walk(graveyard: Graveyard, queue: str, deadline: float) -> Iterator[Delivery]:
    return _until(deadline, islice(graveyard.walk(queue), MOST_LOOKED_AT))


def _until(deadline: float, things: Iterable[T]) -> Iterator[T]:
    """*things* until the time is up, but always one: else a slow broker is never done."""
    for thing in things:
        yield thing
        if time.monotonic() > deadline:
            return


def _say(letter: Letter) -> None:
    log.info(
        "dead_letter_requeued",
        handle=letter.handle,
        event_type=letter.event_type,
        attempts=letter.attempts,
    )


def _envelope_of(body: bytes) -> Envelope | None:
    try:
        return Envelope.from_json(body)
    except (ValueError, TypeError):
        return None


def _digest(body: bytes) -> str:
    return f"body-{sha256(body).hexdigest()[:32]}"


def _end_of(delivery: Delivery) -> tuple[str, str | None]:
    """Why and when a letter died: our own word, else what the broker notes of its moves."""
    headers = delivery.properties.headers or {}
    if DIED_HEADER in headers:
        return _reason_of(delivery.body), _text(headers[DIED_HEADER])
    for move in headers.get("x-death") or ():
        if move.get("queue") == delivery.queue:
            return str(move.get("reason")), rfc3339(move["time"]) if "time" in move else None
    return _reason_of(delivery.body), None


def _reason_of(body: bytes) -> str:
    try:
        read_message(body)
    except Poison:
        return "unreadable"
    return "failed"


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
