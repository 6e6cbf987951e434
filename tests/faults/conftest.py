# SPDX-License-Identifier: Apache-2.0
"""A house of real processes in which every cable goes through a proxy of ours."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import text

from common import outbox
from common.amqp import Topology
from common.amqp.connection import connect
from common.amqp.topology import EVENTS_EXCHANGE
from common.contracts import SUBSCRIPTIONS
from common.db import Database
from common.testing import eventually
from support.proxy import Proxy

PASSWORD = "a long sentence nobody guesses"
SERVICES = ("auth", "catalog", "orders")
THREADS = 8
SINK = "faults.sink"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back, and after how long; status 0 where nobody listens."""

    status: int
    seconds: float
    body: Any = None
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Somebody who calls one service directly, each time on a connection of its own."""

    url: str
    token: str | None = None

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        began = time.monotonic()
        try:
            answer = requests.request(method, self.url + path, json=body, headers=sent, timeout=30)
        except requests.ConnectionError:
            return Reply(status=0, seconds=time.monotonic() - began)
        seconds = time.monotonic() - began
        is_json = "json" in answer.headers.get("Content-Type", "")
        said = orjson.loads(answer.content) if is_json else answer.content
        return Reply(
            status=answer.status_code, seconds=seconds, body=said, headers=dict(answer.headers)
        )

    def get(self, path: str) -> Reply:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        return self.call("POST", path, body, **headers)

    def order(self, key: str, product: int, units: int = 1) -> Reply:
        items = [{"product": product, "quantity": units}]
        return self.post("/v1/orders", {"items": items}, Idempotency_Key=key)


class Broker:
    """What was published: a queue of ours has a copy of every event."""

    def __init__(self, url: str) -> None:
        self._connection = connect(url, "faults")
        self._channel = self._connection.channel()
        self._channel.exchange_declare(EVENTS_EXCHANGE, "topic", durable=True)
        self._channel.queue_delete(SINK)
        self._channel.queue_declare(SINK, durable=True, arguments={"x-queue-type": "quorum"})
        self._channel.queue_bind(SINK, EVENTS_EXCHANGE, "#")
        self._seen: list[dict[str, Any]] = []

    def events(self, kind: str, **data: object) -> list[dict[str, Any]]:
        """Every event of that kind and with these data so far, in the order of its arrival."""
        while (found := self._channel.basic_get(SINK, auto_ack=True))[0] is not None:
            self._seen.append(orjson.loads(found[2]))
        return [
            event
            for event in self._seen
            if event["type"] == kind and data.items() <= event["data"].items()
        ]

    def close(self) -> None:
        self._channel.queue_delete(SINK)
        self._connection.close()


class House:
    """Auth, catalog and orders with their workers.

    Attributes:
        wires: The proxies, by ``<role>/<dependency>``.
        databases: Each service's, without a proxy between.
        ports: Of each role: ``catalog`` answers requests, ``catalog-worker`` its operators.
    """

    def __init__(self, wires: dict[str, Proxy], databases: dict[str, Database], broker: Broker):
        self.wires = wires
        self.databases = databases
        self.broker = broker
        self.ports = {
            name: free_port()
            for name in (*SERVICES, *(f"{service}-worker" for service in SERVICES))
        }
        self.admin_token = ""

    def caller(self, role: str, token: str | None = None) -> Caller:
        return Caller(url=f"http://127.0.0.1:{self.ports[role]}", token=token)

    def is_ready(self, role: str) -> bool:
        return self.caller(role).get("/readyz").status == 200

    def sign_up(self) -> str:
        """A new user's token."""
        username = f"ada-{secrets.token_hex(4)}"
        wanted = {"username": username, "password": PASSWORD, "email": f"{username}@mail.example"}
        answer = self.caller("auth").post("/v1/auth/signup", wanted)
        assert answer.status == 201, answer
        return str(answer.body["access_token"])

    def product(self, quantity: int = 10) -> int:
        """A new product's id."""
        wanted = {"name": "Lamp", "price": "10.00", "quantity": quantity}
        answer = self.caller("catalog", self.admin_token).post("/v1/products", wanted)
        assert answer.status == 201, answer
        return int(answer.body["id"])

    def stock(self, product: int) -> tuple[int, int]:
        """``on_hand`` and ``reserved`` as the database has them."""
        query = text("SELECT on_hand, reserved FROM stock WHERE product_id = :id")
        found = self.databases["catalog"].read(
            lambda session: session.execute(query, {"id": product}).one()
        )
        return found.on_hand, found.reserved

    def order_statuses(self, product: int) -> list[str]:
        """Of every order of this product alone, oldest first."""
        query = text("SELECT status FROM orders WHERE wanted LIKE :lines ORDER BY id")
        return self.databases["orders"].read(
            lambda session: list(session.scalars(query, {"lines": f"[[{product},%"}))
        )

    def waiting(self, service: str) -> int:
        """How many events the broker has not confirmed yet."""
        depth, _ = self.databases[service].read(outbox.backlog)
        return depth

    def wire(self, role: str, dependency: str) -> Proxy:
        return self.wires[f"{role}/{dependency}"]


def heal(wires: Mapping[str, Proxy]) -> None:
    for wire in wires.values():
        wire.heal()


def _forget_queues(url: str) -> None:
    connection = connect(url, "faults")
    channel = connection.channel()
    for service in ("catalog", "orders"):
        for queue in Topology(service=service, events=SUBSCRIPTIONS[service]).queues():
            channel.queue_delete(queue.name)
    connection.close()


def _private_key() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


@contextmanager
def running(log: Path, *command: str, environment: Mapping[str, str]) -> Iterator[subprocess.Popen]:
    """A process of ours; it is gone when the block ends."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", *command],
            env={"PATH": os.environ["PATH"], **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(timeout=15)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


@pytest.fixture(scope="session")
def wires(servers) -> Iterator[dict[str, Proxy]]:
    """A proxy before each dependency of each role; ``…/auth`` and ``…/catalog`` come with them."""
    made = {}
    for service in SERVICES:
        for role in (service, f"{service}-worker"):
            made[f"{role}/database"] = Proxy.before(servers.database_url, 3306)
        made[f"{service}/redis"] = Proxy.before(servers.redis_url, 6379)
        made[f"{service}-worker/broker"] = Proxy.before(servers.amqp_url, 5672)
    yield made
    for wire in made.values():
        wire.close()


@pytest.fixture(scope="session")
def environments(servers, wires, database_of, service_key):
    """Gives each role's settings; needs the house for its ports."""
    key, signing = _private_key(), secrets.token_urlsafe(48)

    def make(service: str, role: str, ports: Mapping[str, int], urls: Mapping[str, str]):
        schema = database_of(service).engine.url.render_as_string(hide_password=False)
        broker = wires[f"{service}-worker/broker"]
        return {
            # A proxy can't read what is encrypted.
            "DATABASE_URL": wires[f"{role}/database"].url(f"{schema}?ssl_disabled=1"),
            "REDIS_URL": wires[f"{service}/redis"].url(servers.redis_url),
            "AMQP_URL": broker.url(servers.amqp_url),
            "SERVICE_TOKEN_KEY": service_key,
            "SECRET_KEY": signing,
            "JWT_PRIVATE_KEY": key,
            "HTTP_PORT": str(ports[service]),
            "WORKER_PORT": str(ports[f"{service}-worker"]),
            "WEB_THREADS": str(THREADS),
            "PENDING_SECONDS": "2",
            "SWEEP_SECONDS": "0.2",
            "OVERDUE_SWEEP_SECONDS": "0.5",
            "PYTHONUNBUFFERED": "1",
            **urls,
        }

    return make


@pytest.fixture(scope="session")
def house(servers, wires, database_of, environments, tmp_path_factory) -> Iterator[House]:
    _forget_queues(servers.amqp_url)
    broker = Broker(servers.amqp_url)
    databases = {service: database_of(service) for service in SERVICES}
    made = House(wires, databases, broker)
    for service in ("catalog", "orders"):
        wires[f"{service}/auth"] = Proxy("127.0.0.1", made.ports["auth"])
    wires["orders/catalog"] = Proxy("127.0.0.1", made.ports["catalog"])
    wires["orders-worker/catalog"] = Proxy("127.0.0.1", made.ports["catalog"])
    logs = tmp_path_factory.mktemp("house")

    def role(service: str, kind: str):
        name = service if kind == "web" else f"{service}-worker"
        auth = wires.get(f"{service}/auth")
        catalog = wires.get(f"{name}/catalog")
        urls = {}
        if auth is not None:
            urls["AUTH_URL"] = f"http://127.0.0.1:{auth.port}"
            urls["JWKS_URL"] = f"{urls['AUTH_URL']}/.well-known/jwks.json"
        if catalog is not None:
            urls["CATALOG_URL"] = f"http://127.0.0.1:{catalog.port}"
        environment = environments(service, name, made.ports, urls)
        return running(logs / f"{name}.log", service, kind, environment=environment)

    admin = environments("auth", "auth", made.ports, {}) | {
        "ADMIN_USERNAME": "root",
        "ADMIN_EMAIL": "root@mail.example",
        "ADMIN_PASSWORD": PASSWORD,
    }
    roles = [(service, kind) for service in SERVICES for kind in ("web", "worker")]
    with ExitStack() as processes:
        for each in roles:
            processes.enter_context(role(*each))
        with running(logs / "admin.log", "auth", "create-admin", environment=admin) as creating:
            assert creating.wait(timeout=60) == 0, (logs / "admin.log").read_text()
        for name in made.ports:
            eventually(lambda name=name: made.is_ready(name), seconds=60, what=f"{name} ready")
        login = {"login": "root", "password": PASSWORD}
        made.admin_token = made.caller("auth").post("/v1/auth/login", login).body["access_token"]
        yield made
        heal(wires)
    broker.close()
    _forget_queues(servers.amqp_url)


@pytest.fixture
def well(house) -> Iterator[House]:
    """The house without a fault, before the test and after it."""
    yield house
    heal(house.wires)
    everything_works(house)


def everything_works(house: House) -> None:
    """Wait until every role is ready, and a customer can order: no circuit breaker is open."""
    for name in house.ports:
        eventually(lambda name=name: house.is_ready(name), seconds=30, what=f"{name} ready again")
    buyer, product = house.caller("orders", house.sign_up()), house.product()

    def ordered() -> bool:
        return buyer.order(secrets.token_hex(8), product).status == 201

    eventually(ordered, seconds=30, what="an order after the fault")


@pytest.fixture
def buyer(well) -> Caller:
    """A new customer at orders' door, known there already."""
    caller = well.caller("orders", well.sign_up())
    assert caller.get("/v1/cart").status == 200
    return caller
