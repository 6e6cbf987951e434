# SPDX-License-Identifier: Apache-2.0
import ssl
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum

import pytest
from pymysql.connections import Connection

from common.driver import Rows, ThriftyConnection


def unconnected(**settings):
    return ThriftyConnection(defer_connect=True, **settings)


def test_connections_share_what_they_need_for_tls(monkeypatch):
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", None)  # 40 ms, for nothing

    one, other = unconnected(), unconnected()

    assert one.ctx is other.ctx
    assert one.ctx.verify_mode is ssl.CERT_NONE


def test_who_wants_the_server_verified_gets_it_verified():
    verifying = unconnected(ssl_verify_cert=True)

    assert verifying.ctx is not unconnected().ctx
    assert verifying.ctx.verify_mode is ssl.CERT_REQUIRED


class Level(IntEnum):
    LOW = 1


NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        *(0, 7, -(2**63), 2**64 - 1, True, False, Level.LOW, None),
        *(NOON, NOON.replace(tzinfo=None), NOON.replace(year=1, microsecond=5)),
        NOON.astimezone(timezone(timedelta(hours=2))),
        *(date(2026, 11, 21), time(12), timedelta(seconds=90), Decimal("1.50"), 0.1),
        *("", "it's", "back\\slash", "100 %", '"', "\0\n\r\x1a", "Жук"),
        *(b"", b"\x00'\xff", (1, "a"), [None, 2]),
    ],
)
def test_a_value_is_written_in_the_drivers_own_words(value):
    ours, theirs = unconnected(), Connection(defer_connect=True)
    ours.server_status = theirs.server_status = 0

    assert ours.escape(value) == theirs.escape(value)


def test_rows_are_one_value_in_the_same_words():
    connection = unconnected()
    connection.server_status = 0

    rows = Rows([(1, None), ("it's", b"\xff"), (NOON, True)], ["NOW()"])

    assert connection.escape(rows) == (
        "(1, 'it\\'s', '2026-11-21 12:00:00', NOW()), (NULL, X'ff', 1, NOW())"
    )
