# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from analytics.schemas import SeriesAsked


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T12:00:00Z",
        "2026-11-20t12:00:00z",
        "2026-11-20T12:00:00.000Z",
        "2026-11-20T14:00:00+02:00",
        "2026-11-20T06:30:00-05:30",
    ],
)
def test_a_time_is_read_in_every_offset(text):
    asked = SeriesAsked.model_validate({"from": text})

    assert asked.start == datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "0",
        "1763640000",
        "2026-11-20",
        "2026-11-20T12:00:00",
        "2026-11-20 12:00:00Z",
        "2026-11-20T12:00Z",
        "2026-13-20T12:00:00Z",
        "2026-02-29T12:00:00Z",
        "2026-11-20T24:00:01Z",
        "2026-11-20T12:00:60Z",
        "2026-11-20T12:00:00+25:00",
        "2026-11-20T12:00:00.Z",
        "٢٠٢٦-11-20T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59-23:59",
        "9001-01-01T00:00:00Z",
    ],
)
def test_no_other_text_is_a_time(text):
    with pytest.raises(ValidationError):
        SeriesAsked.model_validate({"from": text})
