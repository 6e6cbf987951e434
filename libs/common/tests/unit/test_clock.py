# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime, timedelta, timezone

from common.clock import rfc3339, utcnow


def test_now_knows_its_zone():
    assert utcnow().utcoffset() == timedelta(0)


def test_a_moment_of_another_zone_is_shown_in_utc_with_milliseconds():
    east = timezone(timedelta(hours=5, minutes=30))
    moment = datetime(2026, 11, 21, 1, 15, 30, 123456, tzinfo=east)

    assert rfc3339(moment) == "2026-11-20T19:45:30.123Z"


def test_a_whole_second_still_shows_its_milliseconds():
    assert rfc3339(datetime(2026, 11, 20, 12, tzinfo=UTC)) == "2026-11-20T12:00:00.000Z"


def test_milliseconds_are_cut_so_that_no_moment_is_shown_before_it_came():
    assert rfc3339(datetime(2026, 1, 1, 0, 0, 0, 999999, tzinfo=UTC)).endswith(":00.999Z")
