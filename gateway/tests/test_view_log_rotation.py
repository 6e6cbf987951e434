# SPDX-License-Identifier: Apache-2.0
"""The gateway writes the view log, and the shipper renames it meanwhile."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.testing import eventually
from shipper.rotation import rotate
from shipper.tail import SETTLED_SECONDS, Position, generations, next_batch, read_completely
from shipper.views import view_of

HOUR = 3600


def test_no_view_is_lost_while_the_log_is_renamed(gateway, services, reply):
    services["catalog"].replies["/v1/products/77"] = reply(headers={"X-Product-Id": "77"})
    stop, asked = threading.Event(), []

    def look():
        while not stop.is_set():
            asked.append(gateway.ask("/v1/products/77").headers["X-Request-Id"])

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    read, position = [], Position()
    for hour in range(4):
        seen = len(asked)
        while len(asked) < seen + 50:
            batch = next_batch(gateway.view_log, position, now=time.time())
            read, position = [*read, *batch.lines], batch.position
        now = datetime(2026, 11, 21, hour, tzinfo=UTC)
        assert rotate(gateway.view_log, most_bytes=1, most_seconds=HOUR, now=now)
        eventually(lambda: gateway.view_log.stat().st_size, what="that nginx looks again")
    stop.set()
    for reader in readers:
        reader.join()

    def all_are_read():  # nginx writes a view down after it has answered
        nonlocal read, position
        later = time.time() + 2 * SETTLED_SECONDS
        while (batch := next_batch(gateway.view_log, position, now=later)).lines:
            read, position = [*read, *batch.lines], batch.position
        return sum(view_of(line, b"a key").product_id == 77 for line in read) >= len(asked)

    eventually(all_are_read, what="the last views")
    assert len(generations(gateway.view_log)) == 5
    modes = {file.stat().st_mode & 0o777 for file in generations(gateway.view_log)}
    assert modes == {0o600}, "somebody else may read who looked at what"
    views = [view_of(line, b"a key") for line in read]
    assert sorted(view.id for view in views if view.product_id == 77) == sorted(asked)


def test_whoever_takes_the_name_away_loses_the_view_that_finds_it_gone(
    start_gateway, own_services, reply
):
    """What the shipper's way of renaming is for."""
    own_services["catalog"].replies["/v1/products/79"] = reply(headers={"X-Product-Id": "79"})
    gateway = start_gateway()

    def look():
        return gateway.ask("/v1/products/79").headers["X-Request-Id"]

    look()
    eventually(gateway.view_log.exists, what="that the log begins")
    gateway.view_log.rename(f"{gateway.view_log}.1")
    looks = []
    eventually(lambda: looks.append(look()) or gateway.view_log.exists(), what="a new log")

    def lost():
        written = "".join(log.read_text() for log in generations(gateway.view_log))
        return [one for one in looks if one not in written]

    eventually(lambda: len(lost()) == 1, what="all views but one")


def test_one_who_dies_while_renaming_loses_nothing(tmp_path, monkeypatch):
    log = tmp_path / "views.log"
    log.write_bytes(b"first\nsecond\n")
    position = next_batch(log, Position(), now=time.time()).position
    now = datetime.now(UTC)
    with monkeypatch.context() as dying:
        dying.setattr(Path, "replace", dies)
        with pytest.raises(KeyboardInterrupt):
            rotate(log, most_bytes=1, most_seconds=HOUR, now=now)
    assert len(generations(log)) == 2
    with log.open("ab") as stream:
        stream.write(b"third\n")

    for file in read_completely(log, position):
        file.unlink()
    later = now + timedelta(seconds=1)
    assert rotate(log, most_bytes=1, most_seconds=HOUR, now=later)
    assert len(generations(log)) == 2
    assert next_batch(log, position, now=time.time()).lines == [b"third"]


def dies(*_):
    raise KeyboardInterrupt


def test_short_log_is_left_alone(tmp_path):
    log = tmp_path / "views.log"
    log.write_text("a line\n")
    now = datetime.now(UTC)
    assert not rotate(log, most_bytes=8, most_seconds=HOUR, now=now)
    assert generations(log) == [log]
    assert rotate(log, most_bytes=7, most_seconds=HOUR, now=now)


def test_log_with_an_old_view_is_renamed_though_it_is_short(gateway, services, reply, tmp_path):
    services["catalog"].replies["/v1/products/78"] = reply(headers={"X-Product-Id": "78"})
    before = datetime.now(UTC)
    request_id = gateway.ask("/v1/products/78").headers["X-Request-Id"].encode()

    def line():
        lines = gateway.view_log.read_bytes().splitlines(keepends=True)
        return next((one for one in lines if request_id in one), None)

    eventually(gateway.view_log.exists)
    log = tmp_path / "views.log"
    log.write_bytes(eventually(line, what="the view's line"))

    for age, is_renamed in ((HOUR - 10, False), (HOUR + 10, True)):
        now = before + timedelta(seconds=age)
        assert rotate(log, most_bytes=2**20, most_seconds=HOUR, now=now) == is_renamed
        assert len(generations(log)) == (2 if is_renamed else 1)
    assert log.stat().st_size == 0


def test_a_log_that_is_not_there_yet_is_left_alone(tmp_path):
    now = datetime.now(UTC)
    assert not rotate(tmp_path / "views.log", most_bytes=1, most_seconds=HOUR, now=now)
