# SPDX-License-Identifier: Apache-2.0
"""From lines of the view log to the events that tell of them.

A line tells who looked by address and user agent. Nothing else does: both end in this room.
"""

import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.amqp.publisher import Outgoing
from common.context import Trace, traced
from common.contracts import OneView, ProductsViewed
from common.events import Envelope

LINE_START = b'{"id":"'
VIEWER_START = b'"address":'
SHOWN = re.compile(rb'\{"id":"[ -~]{,193}')
LAST_SECOND = 253402300799  # of the year 9999


class UnreadableLine(ValueError):
    """A line that is no view. It is skipped: no later line may wait for it."""


class View(BaseModel):
    """One line: somebody looked at one product's page.

    Attributes:
        time: Seconds since 1970 with milliseconds, by the gateway's clock.
        user: The id from the verified token; empty for anonymous viewers.
        session: Tells viewers apart and names nobody.
    """

    model_config = ConfigDict(frozen=True, strict=True, hide_input_in_errors=True)

    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    time: float = Field(ge=0, le=LAST_SECOND)
    product_id: int = Field(ge=1, lt=10**18)
    user: str = Field(pattern=r"^([1-9][0-9]{0,17})?$")
    session: str = Field(pattern=r"^[0-9a-f]{16,64}$")
    status: int
    path: str

    @property
    def event_id(self) -> UUID:
        """A UUIDv7 made of the view's time and the request's id alone.

        A view that is sent again after a crash is the same event, and its readers drop it.
        """
        return _uuid7(self.time, int(self.id, 16))

    def told(self) -> OneView:
        return OneView(
            id=self.event_id,
            time=datetime.fromtimestamp(self.time, UTC),
            request_id=self.id,
            product_id=self.product_id,
            viewer_id=int(self.user) if self.user else None,
            session=self.session,
            status=self.status,
            path=self.path,
        )


def view_of(line: bytes, key: bytes) -> View:
    """The view on *line*.

    When nginx dies in the middle of a line, its successor goes on in the same one: what counts is
    the last view that begins on it.

    Raises:
        UnreadableLine: There is none.
    """
    start = line.rfind(LINE_START)
    if start < 0:
        raise UnreadableLine
    try:
        record = orjson.loads(line[start:].decode(errors="replace"))
        # The gateway of the release before has hashed viewers itself.
        if "session" not in record:
            record["session"] = _session(record.pop("address"), record.pop("agent"), key)
        return View.model_validate(record)
    except (orjson.JSONDecodeError, KeyError, ValidationError) as error:
        raise UnreadableLine from error


def shown(line: bytes) -> str:
    """What may be told of a line that is no view: no piece of an address or agent is in it."""
    beginning = SHOWN.match(line)
    return beginning[0].partition(VIEWER_START)[0].decode() if beginning else ""


def _session(address: str, agent: str, key: bytes) -> str:
    # Without the key an address can't be found by trying all.
    return hmac.digest(key, f"{address}\n{agent}".encode(), "sha256").hex()[:32]


def _uuid7(seconds: float, number: int) -> UUID:
    value = (round(seconds * 1000) & (1 << 48) - 1) << 80 | number & (1 << 80) - 1
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


def message_of(views: Sequence[View]) -> Outgoing:
    """The event of these views, ready for the broker.

    Its id follows from theirs: the same views are the same event, and any others another.
    """
    first = views[0]
    ids = "".join(view.id for view in views)
    event = ProductsViewed(views=[view.told() for view in views])
    with traced(Trace(correlation_id=first.id, actor="service/gateway")):
        sealed = Envelope.seal(
            event,
            aggregate_version=0,
            event_id=_uuid7(first.time, int(sha256(ids.encode()).hexdigest(), 16)),
        )
    envelope = sealed.model_copy(update={"time": event.views[0].time})
    return Outgoing(
        id=str(envelope.id),
        type=envelope.type,
        body=envelope.to_json(),
        routing_key=envelope.routing_key,
        timestamp=int(first.time),
        correlation_id=first.id,
    )
