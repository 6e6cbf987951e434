# SPDX-License-Identifier: Apache-2.0
"""The service's own processes: migrate, then a worker that gets ready, works and stops."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from analytics import queries
from analytics.config import Config
from analytics.worker import TOPOLOGY
from common.db import Database
from common.testing import eventually


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def environment(new_schema, amqp_url, redis_url, service_key) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": new_schema("analytics"),
        "AMQP_URL": amqp_url,
        "REDIS_URL": redis_url,
        "SERVICE_TOKEN_KEY": service_key,
        "SECRET_KEY": service_key[::-1],
        "WORKER_PORT": str(free_port()),
    }


def start(role: str, environment: dict[str, str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "analytics", role], env=environment, stdout=subprocess.DEVNULL
    )


@contextmanager
def worker(environment: dict[str, str]) -> Iterator[subprocess.Popen]:
    process = start("worker", environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def is_ready(environment: dict[str, str]) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{environment['WORKER_PORT']}/readyz", timeout=2) as answer:
            return answer.status == 200
    except URLError:
        return False


def test_a_worker_gets_ready_and_stops_when_told(environment, fresh_queues):
    fresh_queues(TOPOLOGY)
    assert start("migrate", environment).wait(timeout=30) == 0

    with worker(environment) as process:
        eventually(lambda: is_ready(environment), seconds=20)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0

    database = Database(environment["DATABASE_URL"])
    assert database.read(queries.view_partitions) == []
    database.dispose()


def test_settings_that_are_missing_end_the_process_with_their_names(environment):
    del environment["SECRET_KEY"]
    environment["INBOX_KEPT_DAYS"] = "0"
    process = subprocess.run(
        [sys.executable, "-m", "analytics", "worker"],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert process.returncode != 0
    assert "SECRET_KEY" in process.stderr
    assert "INBOX_KEPT_DAYS" in process.stderr
    assert environment["DATABASE_URL"] not in process.stderr


def test_the_ports_are_the_services_own(service_settings):
    config = service_settings(Config)

    assert (config.http_port, config.worker_port) == (9105, 9205)
