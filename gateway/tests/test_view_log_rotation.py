# SPDX-License-Identifier: Apache-2.0
"""The gateway writes the view log, and the shipper renames it meanwhile."""

import os
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shipper.rotation import rotate
from shipper.tail import SETTLED_SECONDS, Position, generations, next_batch
from shipper.views import view_of


@pytest.fixture
def pid_file(gateway):
    return Path(gateway.settings["RUN_DIR"]) / "nginx.pid"


def test_no_view_is_lost_while_the_log_is_renamed(gateway, services, reply, pid_file):
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
        rotate(gateway.view_log, most_bytes=1, nginx_pid_file=pid_file, now=now)
    stop.set()
    for reader in readers:
        reader.join()
    later = time.time() + 2 * SETTLED_SECONDS
    while (batch := next_batch(gateway.view_log, position, now=later)).lines:
        read, position = [*read, *batch.lines], batch.position
    assert len(generations(gateway.view_log)) >= 4
    views = [view_of(line) for line in read]
    assert sorted(view.id for view in views if view.product_id == 77) == sorted(asked)


def test_short_log_is_left_alone(gateway, pid_file):
    now = datetime.now(UTC)
    inode = gateway.view_log.stat().st_ino
    assert not rotate(gateway.view_log, most_bytes=10**9, nginx_pid_file=pid_file, now=now)
    assert gateway.view_log.stat().st_ino == inode


def test_nobody_but_nginx_is_signalled(tmp_path):
    signalled = []
    previous = signal.signal(signal.SIGUSR1, lambda *_: signalled.append(1))
    try:
        log, pid_file = tmp_path / "views.log", tmp_path / "nginx.pid"
        log.write_text("a line\n")
        for pid in (str(os.getpid()), "4194304", "", "nonsense"):
            pid_file.write_text(pid)
            assert not rotate(log, most_bytes=1, nginx_pid_file=pid_file, now=datetime.now(UTC))
        assert log.exists()
        assert signalled == []
    finally:
        signal.signal(signal.SIGUSR1, previous)
