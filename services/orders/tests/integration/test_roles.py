# SPDX-License-Identifier: Apache-2.0
"""The service's own processes, with a broker, and one of them killed where it hurts most."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from threading import Thread
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import requests
from catalog_stub import LAMP

from common.amqp import Consumer, Publisher, Topology
from common.amqp.publisher import Outgoing
from common.amqp.topology import EVENTS_EXCHANGE
from common.contracts import SUBSCRIPTIONS, OrderPlaced, UserRegistered
from common.db import Database
from common.events import Envelope
from common.subscriber import read_message
from common.testing import eventually
from orders.models import Customer
from souk_local.ports import free_port

OURS = Topology(service="orders", events=SUBSCRIPTIONS["orders"])


@pytest.fixture
def environment(new_schema, amqp_url, redis_url, service_key, catalog_url):
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": new_schema("orders"),
        "AMQP_URL": amqp_url,
        "REDIS_URL": redis_url,
        "SERVICE_TOKEN_KEY": service_key,
        "SECRET_KEY": service_key[::-1],
        "CATALOG_URL": catalog_url,
        "AUTH_URL": catalog_url,
        "JWKS_URL": f"{catalog_url}/.well-known/jwks.json",
        "HTTP_PORT": str(free_port()),
        "WORKER_PORT": str(free_port()),
        "CATALOG_SECONDS": "60",
        "PENDING_SECONDS": "2",
        "SWEEP_SECONDS": "0.2",
    }


@contextmanager
def role(name, environment):
    process = subprocess.Popen(
        [sys.executable, "-m", "orders", name], env=environment, stdout=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def is_ready(port):
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


def kill_with_children(process):
    """Kill a gunicorn and its workers at once, as a machine's end would."""
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)],
        capture_output=True,
        text=True,
        check=True,
    )
    for pid in [process.pid, *map(int, children.stdout.split())]:
        os.kill(pid, signal.SIGKILL)


def test_an_order_survives_the_death_of_its_process(
    environment, catalog, token_factory, fresh_queues, fresh_readers, amqp_url
):
    """The web process dies between the order and catalog's answer; the worker settles it."""
    fresh_readers("orders")
    fresh_queues(OURS)
    catalog.documents["/.well-known/jwks.json"] = token_factory.key_set()
    catalog.documents["/internal/users/1/epoch"] = {"epoch": 0}
    with role("migrate", environment) as migrate:
        assert migrate.wait(timeout=30) == 0
    url = f"http://127.0.0.1:{environment['HTTP_PORT']}/v1/orders"
    wish = {
        "headers": token_factory.bearer() | {"Idempotency-Key": "k"},
        "json": {"items": [{"product": LAMP, "quantity": 3}]},
        "timeout": 60,
    }

    def settled():
        """What a patient client is told: slow is a 503, and a 409 while the first try is held."""
        answer = requests.post(url, **wish)
        return answer if answer.status_code not in {409, 503} else None

    def order_and_be_cut():
        with pytest.raises(requests.ConnectionError):
            eventually(settled, seconds=60)

    with ExitStack() as running:
        web = running.enter_context(role("web", environment))
        eventually(lambda: is_ready(environment["HTTP_PORT"]), seconds=60)
        catalog.gate.clear()
        client = Thread(target=order_and_be_cut)
        client.start()
        eventually(lambda: catalog.waiting, seconds=60, what="the reserve command")
        kill_with_children(web)
        client.join(timeout=60)
        catalog.gate.set()

        worker = running.enter_context(role("worker", environment))
        eventually(lambda: is_ready(environment["WORKER_PORT"]), seconds=60)
        placed = received(amqp_url)
        assert placed.items[0].quantity == 3
        assert catalog.available(LAMP) == 7

        running.enter_context(role("web", environment))
        eventually(lambda: is_ready(environment["HTTP_PORT"]), seconds=60)
        answer = eventually(settled, seconds=60)
        assert answer.status_code == 201
        assert answer.headers["Idempotent-Replayed"] == "true"
        assert answer.json()["id"] == placed.order_id

        tell_of_ada(amqp_url)
        knows_ada(environment["DATABASE_URL"])
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=60) == 0


def received(amqp_url):
    """The first order that catalog is told of."""
    consumer = Consumer(
        amqp_url, "test", queues=["catalog.order_placed"], exchange="catalog.direct"
    )
    try:
        [delivery] = eventually(lambda: consumer.receive(wait=0.5), seconds=60, what="OrderPlaced")
        consumer.acknowledge([delivery])
    finally:
        consumer.close()
    _, event = read_message(delivery.body)
    assert isinstance(event, OrderPlaced)
    return event


def tell_of_ada(amqp_url):
    event = UserRegistered(
        user_id=1, username="ada", email=None, fullname=None, role="user", guest=False
    )
    envelope = Envelope.seal(event, aggregate_version=1)
    message = Outgoing(
        id=str(envelope.id),
        type=envelope.type,
        body=envelope.to_json(),
        routing_key=envelope.routing_key,
        timestamp=int(envelope.time.timestamp()),
    )
    # Others may read it too where the test run has declared their queues; that is no matter here.
    publisher = Publisher(amqp_url, "test")
    assert publisher.publish([message], EVENTS_EXCHANGE) == set()
    publisher.close()


def knows_ada(url):
    database = Database(url)
    try:
        found = eventually(
            lambda: database.read(lambda session: session.get(Customer, 1)), seconds=60
        )
        assert found.username == "ada"
    finally:
        database.dispose()


def test_settings_that_are_missing_end_the_process_with_their_names(environment):
    del environment["SECRET_KEY"]
    environment["PENDING_SECONDS"] = "0"
    process = subprocess.run(
        [sys.executable, "-m", "orders", "worker"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert process.returncode != 0
    assert "SECRET_KEY" in process.stderr
    assert "PENDING_SECONDS" in process.stderr
    assert environment["DATABASE_URL"] not in process.stderr
