# SPDX-License-Identifier: Apache-2.0
"""The service's own processes: how they start, what they say of themselves, how they stop."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from analytics.config import Config
from common.testing import eventually
from souk_local.ports import free_port


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


def answer_of(environment: dict[str, str], path: str) -> tuple[int, dict]:
    try:
        with urlopen(f"http://127.0.0.1:{environment['WORKER_PORT']}{path}", timeout=5) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, {}


def test_a_worker_without_a_broker_lives_says_what_it_lacks_and_stops_when_told(environment):
    environment["AMQP_URL"] = f"amqp://127.0.0.1:{free_port()}/souk"
    assert start("migrate", environment).wait(timeout=60) == 0

    with worker(environment) as process:
        eventually(lambda: answer_of(environment, "/healthz") == (200, {"ok": True}), seconds=60)

        def lacks_only_the_broker():
            status, body = answer_of(environment, "/readyz")
            assert status in {0, 503}
            checks = body.get("checks", {})
            found = {name: check["ok"] for name, check in checks.items()}
            return found == {"database": True, "broker": False} and body["ok"] is False

        eventually(lacks_only_the_broker, seconds=60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


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
