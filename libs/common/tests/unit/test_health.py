# SPDX-License-Identifier: Apache-2.0
from common.health import Check, readiness


def broken():
    raise OSError("connection to 10.0.0.7 as root refused")


def nothing():
    return None


def test_ready_when_all_answer():
    body, ready = readiness([Check(name="database", ask=nothing)])

    assert ready
    assert body["ok"] is True
    assert body["checks"]["database"]["ok"] is True


def test_not_ready_without_what_is_required():
    checks = [Check(name="database", ask=broken), Check(name="redis", ask=nothing)]

    body, ready = readiness(checks)

    assert not ready
    assert body["ok"] is False
    assert [body["checks"][name]["ok"] for name in ("database", "redis")] == [False, True]


def test_ready_without_what_only_helps():
    body, ready = readiness([Check(name="redis", ask=broken, required=False)])

    assert ready
    assert body["ok"] is True
    assert body["checks"]["redis"]["ok"] is False


def test_why_something_is_away_stays_inside():
    body, _ = readiness([Check(name="database", ask=broken)])

    assert "10.0.0.7" not in str(body)
