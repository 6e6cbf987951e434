# SPDX-License-Identifier: Apache-2.0
"""Auth's worker as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from common.testing import eventually


@pytest.fixture
def settings():
    """What a test sets besides; before it asks for the worker."""
    return {}


@pytest.fixture
def worker(settings, database, make_config, private_key, amqp_url):
    """Starts the worker; gives the address of its health server, and the process."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    config = make_config()
    secrets = ("database_url", "redis_url", "service_token_key", "secret_key")
    environment = {
        **os.environ,
        **{name.upper(): getattr(config, name).get_secret_value() for name in secrets},
        "AMQP_URL": amqp_url,
        "JWT_PRIVATE_KEY": private_key,
        "WORKER_PORT": str(port),
        **settings,
    }
    command = [sys.executable, "-m", "auth", "worker"]
    with subprocess.Popen(command, env=environment) as process:
        yield f"http://127.0.0.1:{port}", process
        process.kill()


def status_of(url):
    try:
        with urlopen(url, timeout=5) as answer:
            return answer.status
    except (URLError, OSError):
        return None


def test_the_worker_publishes_what_waits_and_ends_when_told(
    worker, add_user, events, fresh_readers
):
    address, process = worker
    fresh_readers("auth")
    eventually(lambda: status_of(f"{address}/readyz") == 200, seconds=30, what="ready")

    add_user("ada")

    # An event is forgotten only when the broker has confirmed that a queue has it.
    eventually(lambda: events() == [], seconds=30, what="published")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("settings", [{"OPEN_STORE": "true"}])
def test_the_worker_of_an_open_store_makes_its_seller(worker, events):
    eventually(lambda: events() != [], seconds=30, what="the store's seller")

    [envelope] = events()
    assert (envelope.type, envelope.data["username"]) == ("UserRegistered", "store")
    assert envelope.actor == "clock/store"
