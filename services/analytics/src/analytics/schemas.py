# SPDX-License-Identifier: Apache-2.0
"""What may come in and what goes out."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, Field
from pydantic.config import JsonDict

from analytics.queries import LARGEST_ID, Metric
from analytics.timeline import Item, Story
from analytics.windows import Bucket
from common.audit import Check, Violation
from common.clock import rfc3339
from common.contracts import EVENTS
from common.dead_letters import EventType, Letter, Listed, Requeue
from common.schemas import Page, Query, Schema, Shown

RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
FIRST_YEAR, LAST_YEAR = 1970, 9000

Format = Literal["json", "ndjson", "csv"]


def read_moment(value: Any) -> datetime:
    """Read a time as RFC 3339 writes it; more than microseconds are cut off.

    Raises:
        ValueError: Anything else, a time without an offset too, and years that no shop has seen.
    """
    text = str(value).upper()
    if not RFC3339.fullmatch(text):
        raise ValueError("must be a time such as 2026-11-20T12:00:00Z")
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is out of range") from error
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"must be in the years {FIRST_YEAR} to {LAST_YEAR}")
    return moment


Instant = Annotated[datetime, BeforeValidator(read_moment)]


class Range(Query):
    """A stretch of time; what is not said is filled in by the question."""

    start: Instant | None = Field(default=None, alias="from")
    end: Instant | None = Field(default=None, alias="to")


class SeriesAsked(Range):
    bucket: Bucket = "hour"


class TopAsked(Range):
    metric: Metric = "views"
    limit: int = Field(default=10, ge=1, le=200)


class ViewsAsked(Range, Page):
    """Which views. JSON comes in pages; the other formats hold everything, so they have no limit.

    A cursor goes with all of them: a file may begin where a page ended.
    """

    product: str | None = Field(default=None, min_length=1, max_length=64)
    user: int | None = Field(default=None, ge=1, le=LARGEST_ID)
    format: Format = "json"

    @property
    def is_export(self) -> bool:
        return self.format != "json"

    @property
    def has_limit(self) -> bool:
        return "limit" in self.model_fields_set


class FiguresShown(Shown):
    """Counts; ``revenue`` as decimal text in the shop's currency."""

    views: int
    unique_viewers: int
    orders: int
    units: int
    revenue: str


class BucketShown(FiguresShown):
    at: str


class TotalsShown(FiguresShown):
    currency: str


class SeriesShown(Shown):
    product_id: int
    bucket: Bucket
    series: list[BucketShown]
    totals: TotalsShown


class RankedShown(Shown):
    product_id: int
    value: int | str


class TopShown(Shown):
    items: list[RankedShown]


class ViewShown(Shown):
    event_id: str
    product_id: int
    viewer_id: int | None
    at: str


class ViewsShown(Shown):
    model_config = Shown.model_config | {
        "json_schema_extra": {
            "examples": [
                {
                    "items": [
                        {
                            "event_id": "0199d0a4-5f00-7000-8000-000000000001",
                            "product_id": 42,
                            "viewer_id": 7,
                            "at": "2026-11-20T12:00:00.000Z",
                        }
                    ],
                    "next_cursor": None,
                }
            ]
        }
    }

    items: list[ViewShown]
    next_cursor: str | None


class CheckShown(Shown):
    """One rule; *violations* names at most a hundred things that break it."""

    name: str
    ok: bool
    violations: list[Violation]


class AuditOut(Shown):
    ok: bool
    checks: list[CheckShown]

    @classmethod
    def of(cls, checks: list[Check]) -> Self:
        shown = [
            CheckShown(name=one.name, ok=not one.violations, violations=one.violations)
            for one in checks
        ]
        return cls(ok=all(one.ok for one in shown), checks=shown)


class HappeningShown(Shown):
    """One thing that happened; of a mail, `event_id` is the id of its notification."""

    at: str
    event_id: str
    type: str
    source: str
    subject: str
    actor: str
    correlation_id: str
    causation_id: str | None
    summary: str

    @classmethod
    def of(cls, item: Item) -> Self:
        return cls(
            at=rfc3339(item.at),
            event_id=str(item.id),
            type=item.type,
            source=item.source,
            subject=item.subject,
            actor=item.actor,
            correlation_id=item.correlation_id,
            causation_id=item.causation_id,
            summary=item.summary,
        )


TIMELINE: JsonDict = {
    "order_id": "0199d0a4-5e00-7000-8000-000000000001",
    "items": [
        {
            "at": "2026-11-20T12:00:00.000Z",
            "event_id": "0199d0a4-5f00-7000-8000-000000000001",
            "type": "OrderPlaced",
            "source": "/souk/orders",
            "subject": "order/0199d0a4-5e00-7000-8000-000000000001",
            "actor": "user/7",
            "correlation_id": "5f0c1a7be2d94c3f8a6b7d1e2f3a4b5c",
            "causation_id": None,
            "summary": "Placed: 2 × Brass lamp; 25.00 USD",
        },
        {
            "at": "2026-11-20T12:00:01.000Z",
            "event_id": "0199d0a4-5f00-7000-8000-000000000002",
            "type": "Mail",
            "source": "/souk/notifier",
            "subject": "user/7",
            "actor": "service/notifier",
            "correlation_id": "5f0c1a7be2d94c3f8a6b7d1e2f3a4b5c",
            "causation_id": "0199d0a4-5f00-7000-8000-000000000001",
            "summary": "Your order (sent)",
        },
    ],
    "unavailable": [],
}


class TimelineOut(Shown):
    """An order's story; `unavailable` names services whose part of it is missing."""

    model_config = Shown.model_config | {"json_schema_extra": {"examples": [TIMELINE]}}

    order_id: str
    items: list[HappeningShown]
    unavailable: list[str]

    @classmethod
    def of(cls, order_id: UUID, story: Story, unavailable: Sequence[str] = ()) -> Self:
        return cls(
            order_id=str(order_id),
            items=[HappeningShown.of(item) for item in story.items],
            unavailable=list(unavailable),
        )


Consumer = Literal["analytics", "catalog", "notifier", "orders"]


class DeadLettersAsked(Listed):
    consumer: Consumer | None = None


class RequeueAsked(Requeue):
    """Which dead letters to send back; with nothing said, all of them."""

    model_config = Requeue.model_config | {
        "json_schema_extra": {
            "examples": [{"consumer": "catalog", "event_type": "OrderPlaced", "dry_run": True}]
        }
    }

    consumer: Consumer | None = None


class DeadLettersShown(Shown):
    """Dead letters, oldest first, and how many there are in all.

    Attributes:
        unavailable: The consumers that gave no answer; their letters are missing here.
    """

    model_config = Shown.model_config | {
        "json_schema_extra": {
            "examples": [
                {
                    "items": [
                        {
                            "id": "0199d0a4-5f00-7000-8000-000000000001",
                            "handle": "0199d0a4-5f00-7000-8000-000000000001",
                            "consumer": "catalog",
                            "event_type": "OrderRejected",
                            "subject": "order/0199d0a4-5e00-7000-8000-000000000001",
                            "reason": "failed",
                            "error": "LookupError: no such product",
                            "attempts": 6,
                            "died_at": "2026-11-20T12:00:30.000Z",
                            "correlation_id": "5f0c1a7be2d94c3f8a6b7d1e2f3a4b5c",
                            "data": {
                                "order_id": "0199d0a4-5e00-7000-8000-000000000001",
                                "reason": "insufficient_stock",
                            },
                        }
                    ],
                    "total": 1,
                    "unavailable": [],
                }
            ]
        }
    }

    items: list[Letter]
    total: int
    unavailable: list[str]


class RequeuedShown(Shown):
    """What was sent back, or would have been in a dry run; *remaining* letters still lie there."""

    dry_run: bool
    items: list[Letter]
    remaining: int
    unavailable: list[str]


MOST_REPLAYED = 1000


class ReplayAsked(Schema):
    """What to replay to whom; without `types` everything that the consumer reads but views."""

    model_config = Schema.model_config | {
        "json_schema_extra": {
            "examples": [
                {
                    "from": "2026-11-20T12:00:00Z",
                    "to": "2026-11-20T13:00:00Z",
                    "consumer": "catalog",
                    "types": ["OrderPlaced"],
                    "dry_run": True,
                }
            ]
        }
    }

    start: Instant = Field(alias="from")
    end: Instant = Field(alias="to")
    consumer: Consumer
    types: list[EventType] | None = Field(default=None, min_length=1, max_length=len(EVENTS))
    dry_run: bool = True
    limit: int = Field(default=MOST_REPLAYED, ge=1, le=MOST_REPLAYED)
    cursor: str | None = Field(default=None, max_length=500)


class ReplayOut(Shown):
    """How many events were sent, or would be in a dry run of the whole stretch."""

    model_config = Shown.model_config | {
        "json_schema_extra": {
            "examples": [
                {
                    "consumer": "catalog",
                    "dry_run": True,
                    "events": 12,
                    "by_type": {"OrderPlaced": 12},
                    "next_cursor": None,
                }
            ]
        }
    }

    consumer: Consumer
    dry_run: bool
    events: int
    by_type: dict[str, int]
    next_cursor: str | None
