# SPDX-License-Identifier: Apache-2.0
"""Replay: events of the past, put into one service's own queues once more.

Nobody else hears them: they do not go through the exchange of all, but through the service's own,
with its own user of the broker. Ids and bodies are the old ones, so that the inbox and the keys of
the effects see that it has all happened before.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Self

from apiflask import APIBlueprint
from flask import Response, jsonify, request
from pydantic import Field

from common.access import internal
from common.amqp import BrokerUnavailable, Publisher, Topology, queue_name
from common.amqp.publisher import Outgoing
from common.clock import utcnow
from common.contracts import SUBSCRIPTIONS
from common.logs import get_logger
from common.problems import Unavailable, Unprocessable
from common.schemas import Schema
from common.settings import ServiceSettings
from common.subscriber import Poison, read_message

log = get_logger(__name__)

MOST_EVENTS = 100
MOST_BYTES = 8 * 1024 * 1024
"""A request of the shop holds 1 MiB: an event that tells the old and the new text fits in here."""
BROKER_SECONDS = 1.0


class Told(Schema):
    """Events as they were told: the text of each envelope, to the byte."""

    events: list[str] = Field(min_length=1, max_length=MOST_EVENTS)


class Replayer:
    """Puts events into one service's own queues.

    Args:
        kept: How long the effects keep the keys that make them happen once; None for ever. What
            happened earlier is refused: it might happen again.
    """

    def __init__(self, url: str, topology: Topology, *, kept: timedelta | None = None) -> None:
        self._url = url
        self._topology = topology
        self._kept = kept

    @classmethod
    def connect(
        cls, service: str, config: ServiceSettings, *, kept: timedelta | None = None
    ) -> Self:
        topology = Topology(service=service, events=SUBSCRIPTIONS[service])
        return cls(config.amqp_url.get_secret_value(), topology, kept=kept)

    def put(self, bodies: Sequence[bytes]) -> None:
        """Put these events into the queues, all or some and an error; again does no harm.

        Raises:
            Unprocessable: One of them is none that this service may hear again; none was put.
            Unavailable: The broker did not take all of them.
        """
        messages = [self._message(number, body) for number, body in enumerate(bodies)]
        service = self._topology.service
        # A connection of its own: between two replays there may be months.
        publisher = Publisher(self._url, f"{service} replay", connect_seconds=BROKER_SECONDS)
        try:
            refused = publisher.publish(messages, self._topology.exchange, timeout=BROKER_SECONDS)
        except BrokerUnavailable as error:
            log.warning("replay_unavailable", reason=str(error))
            raise Unavailable("The broker is not available; try again.") from error
        finally:
            publisher.close()
        if refused:
            log.warning("replay_refused", events=len(refused))
            raise Unavailable("The broker does not take all events; try again.")
        log.info("events_put_again", consumer=service, events=len(messages))

    def _message(self, number: int, body: bytes) -> Outgoing:
        try:
            envelope, event = read_message(body)
        except Poison as error:
            raise _refused(number, "is not a readable event") from error
        if type(event) not in self._topology.events:
            raise _refused(number, f"{envelope.type} is not read by {self._topology.service}")
        if self._kept is not None and envelope.time < utcnow() - self._kept:
            raise _refused(number, f"happened more than {self._kept.days} days ago")
        return Outgoing(
            id=str(envelope.id),
            type=envelope.type,
            body=body,
            routing_key=queue_name(self._topology.service, envelope.type),
            timestamp=int(envelope.time.timestamp()),
            correlation_id=envelope.correlationid,
        )


def replay_routes(
    service: str, config: ServiceSettings, *, kept: timedelta | None = None
) -> APIBlueprint:
    """A consuming service's way to hear events again; analytics has them."""
    replayer = Replayer.connect(service, config, kept=kept)
    blueprint = APIBlueprint("replay", __name__, url_prefix="/internal", enable_openapi=False)

    @blueprint.before_request
    def allow_long_events() -> None:
        request.max_content_length = MOST_BYTES

    @blueprint.post("/replay")
    @internal
    @blueprint.input(Told, arg_name="told")
    def post_replay(told: Told) -> Response:
        """Put events into this service's queues once more."""
        replayer.put([text.encode() for text in told.events])
        return jsonify({"events": len(told.events)})

    return blueprint


def _refused(number: int, why: str) -> Unprocessable:
    return Unprocessable(errors={"events": {str(number): [why]}})
