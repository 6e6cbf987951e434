# SPDX-License-Identifier: Apache-2.0
"""A house of real processes in which every cable goes through a proxy of ours: what it can do."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import requests
from pika.adapters.blocking_connection import BlockingChannel
from sqlalchemy import text

from common.amqp.connection import connect
from common.amqp.topology import EVENTS_EXCHANGE
from common.db import Database
from common.testing import eventually
from souk_local.ports import free_port
from support.proxy import Proxy
from support.shop import LATE_SECONDS

PASSWORD = "a long sentence nobody guesses"
SERVICES = ("auth", "catalog", "orders")
THREADS = 8
PROMISE_SECONDS = 3.0
"""So long a client waits for any answer, whatever hangs."""
SLOW_SECONDS = PROMISE_SECONDS + 1
"""Well beyond every limit: who wakes up late finds no answer all the same."""
FAULTS: dict[str, Callable[[Proxy], None]] = {
    "gone": Proxy.refuse,
    "slow": lambda wire: wire.delay(SLOW_SECONDS),
    "hanging": Proxy.stall,
}
SINK = "faults.sink"


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
        said = orjson.loads(answer.content) if is_json and answer.content else answer.content
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
        self._url = url
        self._seen: list[dict[str, Any]] = []
        with self._channel() as channel:
            channel.exchange_declare(EVENTS_EXCHANGE, "topic", durable=True)
            channel.queue_delete(SINK)
            channel.queue_declare(SINK, durable=True, arguments={"x-queue-type": "quorum"})
            channel.queue_bind(SINK, EVENTS_EXCHANGE, "#")

    @contextmanager
    def _channel(self) -> Iterator[BlockingChannel]:
        # A connection that nobody serves between two looks would miss its heartbeats.
        connection = connect(self._url, "faults")
        yield connection.channel()
        connection.close()

    def events(self, kind: str, **data: object) -> list[dict[str, Any]]:
        """Every event of that kind and with these data so far, in the order of its arrival."""
        with self._channel() as channel:
            while (found := channel.basic_get(SINK, auto_ack=True))[0] is not None:
                self._seen.append(orjson.loads(found[2]))
        return [
            event
            for event in self._seen
            if event["type"] == kind and data.items() <= event["data"].items()
        ]

    def close(self) -> None:
        with self._channel() as channel:
            channel.queue_delete(SINK)


class House:
    """Auth, catalog and orders with their workers.

    Attributes:
        wires: The proxies, by ``<role>/<dependency>``.
        databases: Each service's, without a proxy between.
        environments: Each role's settings.
        regular: A customer whose orders only show that all is well,
        staple: and the product for that, of which there is always enough.
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
        self.environments: dict[str, dict[str, str]] = {}
        self.admin_token = ""
        self.regular = Caller(url="")
        self.staple = 0

    def caller(self, role: str, token: str | None = None) -> Caller:
        return Caller(url=f"http://127.0.0.1:{self.ports[role]}", token=token)

    def is_ready(self, role: str) -> bool:
        return self.caller(role).get("/readyz").status == 200

    def sign_up(self) -> str:
        """A new user's token."""

        def wanted() -> dict[str, str]:
            name = f"ada-{secrets.token_hex(4)}"
            return {"username": name, "password": PASSWORD, "email": f"{name}@mail.example"}

        answer = created(lambda: self.caller("auth").post("/v1/auth/signup", wanted()))
        return str(answer.body["access_token"])

    def product(self, quantity: int = 10) -> int:
        """A new product's id."""
        wanted = {"name": "Lamp", "price": "10.00", "quantity": quantity}
        admin = self.caller("catalog", self.admin_token)
        answer = created(lambda: admin.post("/v1/products", wanted))
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

    def waiting(self, service: str, kind: str = "%") -> int:
        """About how many things events of that kind wait that the broker has not confirmed yet."""
        return len(self.waiting_about(service, kind))

    def waiting_about(self, service: str, kind: str = "%") -> set[str]:
        """The things that these events are about."""
        query = text("SELECT DISTINCT subject FROM outbox_messages WHERE type LIKE :kind")
        return self.databases[service].read(
            lambda session: set(session.scalars(query, {"kind": kind}))
        )

    def wire(self, role: str, dependency: str) -> Proxy:
        return self.wires[f"{role}/{dependency}"]


def heal(wires: Mapping[str, Proxy]) -> None:
    for wire in wires.values():
        wire.heal()


def stop_all(processes: Iterable[subprocess.Popen]) -> None:
    """Tell all of them to end, so that they do it at the same time."""
    for process in processes:
        process.send_signal(signal.SIGTERM)


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


def created(ask: Callable[[], Reply]) -> Reply:
    """The answer of who makes something; what a stall has refused is asked once more."""
    reply = ask()
    if reply.status == 503 and reply.seconds > LATE_SECONDS:
        reply = ask()
    assert reply.status == 201, reply
    return reply


def everything_works(house: House) -> None:
    """Wait until every role is ready, and a customer can order: no circuit breaker is open."""
    for name in house.ports:
        eventually(lambda name=name: house.is_ready(name), seconds=30, what=f"{name} ready again")

    def ordered() -> bool:
        return house.regular.order(secrets.token_hex(8), house.staple).status == 201

    eventually(ordered, seconds=30, what="an order after the fault")


def must_be_in_time(replies: list[Reply], *statuses: int) -> None:
    """Each reply has one of the statuses, and came within the promise."""
    assert {reply.status for reply in replies} <= set(statuses), replies
    slowest = max(replies, key=lambda reply: reply.seconds)
    assert slowest.seconds < PROMISE_SECONDS, slowest
