# SPDX-License-Identifier: Apache-2.0
"""A consumer on the real broker whose inbox forgets, and dead letters that come back after that."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy.orm import Session

from common import inbox
from common.amqp import Publisher, Topology, queue_name
from common.amqp.publisher import Outgoing
from common.amqp.topology import DEAD_EXCHANGE, EVENTS_EXCHANGE
from common.db import Database
from common.dead_letters import DeadLetters
from common.events import Envelope, Event
from common.subscriber import BatchHandler, Handler, Subscriber
from common.testing import eventually
from common.testing.leisure import visits_at_leisure


class Afterlife:
    """What a test does with the events of one running consumer."""

    def __init__(self, database: Database, url: str, topology: Topology) -> None:
        self._database = database
        self._letters = DeadLetters(url, topology)
        self._service = topology.service
        self._publisher = Publisher(url, "tests")

    def tell(self, *envelopes: Envelope) -> None:
        """Publish events, each twice, and wait until they are handled."""
        self.publish(*envelopes, *envelopes)
        self._wait_for(envelopes)

    def publish(self, *envelopes: Envelope) -> None:
        """Publish events, each once, and wait for nothing."""
        for envelope in envelopes:
            self._send(EVENTS_EXCHANGE, envelope.routing_key, envelope)

    def forget(self) -> None:
        """Let the inbox forget all that was handled."""
        inbox.forget_handled(self._database, keep_days=-1)

    def bring_back(self, *envelopes: Envelope) -> None:
        """Requeue these as dead letters, and wait until they are handled."""
        for envelope in envelopes:
            queue = queue_name(self._service, envelope.type)
            self._send(DEAD_EXCHANGE, f"{queue}.dead", envelope)
        ids = {str(envelope.id) for envelope in envelopes}
        done = self._letters.requeue(ids=ids, event_type=None, limit=100, dry_run=False)
        assert {letter.id for letter in done.items} == ids
        self._wait_for(envelopes)

    def is_empty(self) -> bool:
        """Whether nothing died."""
        return not self._letters.list(event_type=None, limit=100).items

    def close(self) -> None:
        self._publisher.close()

    def _send(self, exchange: str, key: str, envelope: Envelope) -> None:
        message = Outgoing(
            id=str(envelope.id),
            type=envelope.type,
            body=envelope.to_json(),
            routing_key=key,
            timestamp=int(envelope.time.timestamp()),
        )
        assert self._publisher.publish([message], exchange) == set()

    def _wait_for(self, envelopes: tuple[Envelope, ...]) -> None:
        ids = {envelope.id for envelope in envelopes}

        def handled(session: Session) -> bool:
            return inbox.already_handled(session, self._service, ids) == ids

        eventually(lambda: self._database.read(handled), seconds=30, what="the events are handled")


@contextmanager
def afterlife(
    database: Database,
    url: str,
    topology: Topology,
    handlers: Mapping[type[Event], Handler],
    batch_handlers: Mapping[type[Event], BatchHandler] | None = None,
) -> Iterator[Afterlife]:
    """Run a consumer for as long as the block lasts."""
    stop = threading.Event()
    subscriber = Subscriber(database, url, topology, handlers, batch_handlers)
    thread = threading.Thread(target=subscriber.run, args=(stop,))
    thread.start()
    made = Afterlife(database, url, topology)
    try:
        with visits_at_leisure():
            yield made
    finally:
        made.close()
        stop.set()
        thread.join(timeout=30)
    assert not thread.is_alive()
