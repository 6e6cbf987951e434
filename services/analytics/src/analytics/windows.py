# SPDX-License-Identifier: Apache-2.0
"""Which stretch of time a question is about, in whole buckets."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from common.problems import Unprocessable

Bucket = Literal["minute", "hour", "day"]

WIDTHS: dict[Bucket, timedelta] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
USUAL: dict[Bucket, timedelta] = {
    "minute": timedelta(days=1),
    "hour": timedelta(days=1),
    "day": timedelta(days=30),
}
MOST_BUCKETS: dict[Bucket, int] = {"minute": 2000, "hour": 2000, "day": 366}
LONGEST_RANKING = timedelta(days=366)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Window:
    """From *start* up to, but without, *end*; both stand on the edge of a bucket in UTC."""

    start: datetime
    end: datetime
    width: timedelta

    @property
    def size(self) -> int:
        """How many buckets there are."""
        return (self.end - self.start) // self.width

    def bucket_at(self, number: int) -> datetime:
        return self.start + number * self.width


def window(
    *, start: datetime | None, end: datetime | None, bucket: Bucket, now: datetime
) -> Window:
    """The asked range, widened to whole buckets.

    Without *end* it ends now; without *start* it begins a day earlier, for days 30 days.

    Raises:
        Unprocessable: It is empty, or has more buckets than ``MOST_BUCKETS``.
    """
    found = _whole(start, end, bucket, now)
    if found.size > MOST_BUCKETS[bucket]:
        raise Unprocessable(
            errors={"from": [f"more than {MOST_BUCKETS[bucket]} buckets of a {bucket} until to"]}
        )
    return found


def ranking_window(*, start: datetime | None, end: datetime | None, now: datetime) -> Window:
    """The asked range of a ranking, in whole minutes; by default the last day.

    Raises:
        Unprocessable: It is empty, or longer than ``LONGEST_RANKING``.
    """
    found = _whole(start, end, "minute", now)
    if found.end - found.start > LONGEST_RANKING:
        raise Unprocessable(errors={"from": [f"more than {LONGEST_RANKING.days} days until to"]})
    return found


def must_be_in_order(start: datetime | None, end: datetime | None) -> None:
    """Refuse a range that holds nothing.

    Raises:
        Unprocessable: *start* is not before *end*.
    """
    if start is not None and end is not None and start >= end:
        raise Unprocessable(errors={"from": ["must be earlier than to"]})


def _whole(start: datetime | None, end: datetime | None, bucket: Bucket, now: datetime) -> Window:
    width = WIDTHS[bucket]
    end = end or now
    start = start or end - USUAL[bucket]
    must_be_in_order(start, end)
    begin = start - (start - EPOCH) % width
    return Window(start=begin, end=end + (EPOCH - end) % width, width=width)
