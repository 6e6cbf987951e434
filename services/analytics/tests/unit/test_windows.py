# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime, timedelta

import pytest

from analytics.windows import MOST_BUCKETS, WIDTHS, ranking_window, window
from common.problems import Unprocessable

NOW = datetime(2026, 11, 20, 12, 34, 56, 789, tzinfo=UTC)


def test_a_range_is_widened_to_whole_buckets():
    start = datetime(2026, 11, 20, 10, 59, 59, tzinfo=UTC)
    found = window(start=start, end=NOW, bucket="hour", now=NOW)

    assert found.start == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert found.end == datetime(2026, 11, 20, 13, tzinfo=UTC)
    assert found.size == 3
    assert found.bucket_at(1) == datetime(2026, 11, 20, 11, tzinfo=UTC)


def test_a_range_on_the_edges_stays_as_it_is():
    start, end = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)
    found = window(start=start, end=end, bucket="day", now=NOW)

    assert (found.start, found.end, found.size) == (start, end, 2)


@pytest.mark.parametrize(("bucket", "days"), [("minute", 1), ("hour", 1), ("day", 30)])
def test_without_a_range_it_is_the_time_until_now(bucket, days):
    found = window(start=None, end=None, bucket=bucket, now=NOW)

    assert NOW <= found.end < NOW + WIDTHS[bucket]
    assert NOW - timedelta(days=days) - WIDTHS[bucket] < found.start <= NOW - timedelta(days=days)


@pytest.mark.parametrize("bucket", ["minute", "hour", "day"])
def test_the_most_buckets_are_answered_and_one_more_is_refused(bucket):
    end = datetime(2026, 11, 20, tzinfo=UTC)
    start = end - MOST_BUCKETS[bucket] * WIDTHS[bucket]

    assert window(start=start, end=end, bucket=bucket, now=NOW).size == MOST_BUCKETS[bucket]
    with pytest.raises(Unprocessable):
        window(start=start - timedelta(seconds=1), end=end, bucket=bucket, now=NOW)


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_range_that_holds_nothing_is_refused(seconds):
    with pytest.raises(Unprocessable):
        window(start=NOW, end=NOW - timedelta(seconds=seconds), bucket="minute", now=NOW)


def test_a_start_in_the_future_without_an_end_is_refused():
    with pytest.raises(Unprocessable):
        window(start=NOW + timedelta(seconds=1), end=None, bucket="minute", now=NOW)


def test_a_ranking_is_over_whole_minutes_and_at_most_a_year():
    end = datetime(2026, 11, 20, tzinfo=UTC)
    found = ranking_window(start=end - timedelta(days=366), end=end, now=NOW)

    assert found.end - found.start == timedelta(days=366)
    with pytest.raises(Unprocessable):
        ranking_window(start=end - timedelta(days=366, seconds=1), end=end, now=NOW)


def test_a_ranking_without_a_range_is_over_the_last_day():
    found = ranking_window(start=None, end=None, now=NOW)

    assert found.start == datetime(2026, 11, 19, 12, 34, tzinfo=UTC)
    assert found.end == datetime(2026, 11, 20, 12, 35, tzinfo=UTC)
