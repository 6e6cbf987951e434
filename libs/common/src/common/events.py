# SPDX-License-Identifier: Apache-2.0
"""What an event is, and how it looks on the wire: CloudEvents 1.0 as structured JSON."""

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any, ClassVar, Self
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field

from common.clock import rfc3339, utcnow
from common.context import Trace, current_trace
from common.identifiers import uuid7
from common.traces import PARENT, current_parent

CONTENT_TYPE = "application/cloudevents+json"


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Event(BaseModel):
    """Something that happened, told once, by the one service that owns it.

    Subclasses live in ``common.contracts``; their fields are the event's ``data``. Fields are only
    ever added: a reader ignores what it does not know.

    Attributes:
        gathers: The field that lists what happened, for an event that stands for many.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    publisher: ClassVar[str]
    version: ClassVar[int] = 1
    gathers: ClassVar[str | None] = None

    def subject(self) -> str:
        """The thing that it happened to, such as ``product/42``."""
        raise NotImplementedError

    def ids(self) -> Collection[UUID]:
        """By what each of the many is known; none where the envelope's id says it."""
        return ()

    @classmethod
    def type(cls) -> str:
        return cls.__name__

    @classmethod
    def routing_key(cls) -> str:
        return f"{cls.publisher}.{snake_case(cls.type())}.v{cls.version}"


class Envelope(BaseModel):
    """One event on its way: what happened, to what, when, why, and by whom."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: str = "1.0"
    id: UUID
    source: str
    type: str
    datacontenttype: str = "application/json"
    dataschemaversion: str
    time: datetime
    subject: str
    aggregateversion: int
    correlationid: str
    causationid: str | None = None
    actor: str
    traceparent: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def seal(cls, event: Event, *, aggregate_version: int, event_id: UUID | None = None) -> Self:
        """Wrap *event* with a new id and the cause of the current work."""
        trace = current_trace()
        return cls(
            id=event_id or uuid7(),
            source=f"/souk/{event.publisher}",
            type=event.type(),
            dataschemaversion=str(event.version),
            time=utcnow(),
            subject=event.subject(),
            aggregateversion=aggregate_version,
            correlationid=trace.correlation_id,
            causationid=trace.causation_id,
            actor=trace.actor,
            traceparent=current_parent() or trace.span,
            data=event.model_dump(mode="json"),
        )

    def as_cause(self) -> Trace:
        """In whose name to do what this event sets off."""
        return Trace(
            correlation_id=self.correlationid,
            causation_id=str(self.id),
            actor=self.actor,
            span=self.traceparent,
        )

    @property
    def routing_key(self) -> str:
        publisher = self.source.rpartition("/")[2]
        return f"{publisher}.{snake_case(self.type)}.v{self.dataschemaversion}"

    def to_json(self) -> bytes:
        untraced = {PARENT} if self.traceparent is None else None
        return orjson.dumps(self.model_dump(exclude=untraced) | {"time": rfc3339(self.time)})

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        return cls.model_validate(orjson.loads(body))
