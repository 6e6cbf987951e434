# SPDX-License-Identifier: Apache-2.0
"""The worker's own audit, as a metric: a real worker, beside two stubs on real sockets."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from os import environ
from threading import Thread
from urllib.error import URLError
from urllib.request import urlopen

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from common.amqp import Topology
from common.contracts import SUBSCRIPTIONS
from common.testing import eventually

MINUTES = 'souk_invariant_violations{rule="analytics.minutes_match_sales"}'
FINISHED = "souk_audit_finished_timestamp_seconds"


class Neighbour(ThreadingHTTPServer):
    """Catalog or orders, with nothing to tell; no answer while it is not there."""

    daemon_threads = True

    def __init__(self) -> None:
        self.is_there, self.unanswered = True, 0
        super().__init__(("127.0.0.1", 0), _Handler)
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.server.is_there:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(orjson.dumps({"checks": [], "items": []}))
        else:
            self.server.unanswered += 1

    def log_message(self, *_: object) -> None: ...


@contextmanager
def neighbour() -> Iterator[Neighbour]:
    server = Neighbour()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def worker(database, service_settings, fresh_queues, service_key, amqp_url, redis_url):
    """A worker that looks every second; gives its metrics by name, and orders."""
    fresh_queues(Topology(service="analytics", events=SUBSCRIPTIONS["analytics"]))
    with neighbour() as catalog, neighbour() as orders, neighbour() as some:
        port = some.server_port
        some.shutdown()
        some.server_close()
        environment = {
            "PATH": environ["PATH"],
            "DATABASE_URL": database.engine.url.render_as_string(hide_password=False),
            "AMQP_URL": amqp_url,
            "REDIS_URL": redis_url,
            "SERVICE_TOKEN_KEY": service_key,
            "SECRET_KEY": service_key[::-1],
            "WORKER_PORT": str(port),
            "CATALOG_URL": catalog.url,
            "ORDERS_URL": orders.url,
            "AUDIT_EVERY_SECONDS": "1",
        }
        command = [sys.executable, "-m", "analytics", "worker"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            yield lambda: metrics_of(port), orders
        finally:
            process.kill()
            process.wait()


def metrics_of(port: int) -> dict[str, float]:
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            families = text_string_to_metric_families(answer.read().decode())
    except URLError:
        return {}
    found = {}
    for sample in (sample for family in families for sample in family.samples):
        labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
        found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def change_count(database, difference: int) -> None:
    with database.engine.begin() as connection:
        query = text("UPDATE product_minutes SET units = units + :difference")
        assert connection.execute(query, {"difference": difference}).rowcount == 1


def test_damage_and_its_repair_are_seen_in_the_workers_metrics(database, worker, hear, teller):
    metrics, _ = worker
    hear(teller.placed("o-1", (42, 2, 500)))
    change_count(database, 1)
    eventually(lambda: metrics().get(MINUTES) == 1, seconds=60, what="the violation")

    change_count(database, -1)

    eventually(lambda: metrics()[MINUTES] == 0, seconds=20, what="the repair")
    # Nothing else is broken, nor are there fewer rules than the audit has.
    shown = {name for name in metrics() if name.startswith("souk_invariant_violations")}
    assert len(shown) == 8
    assert metrics()["souk_audit_seconds"] > 0


def test_while_a_service_is_away_the_last_verdict_gets_old(database, worker, hear, teller):
    metrics, orders = worker
    first = eventually(lambda: metrics().get(FINISHED), seconds=60, what="the first audit")
    eventually(lambda: metrics()[FINISHED] > first, seconds=20, what="the next audit")

    orders.is_there = False
    hear(teller.placed("o-1", (42, 2, 500)))
    change_count(database, 1)
    eventually(lambda: orders.unanswered, seconds=20, what="an audit that fails")
    last = metrics()[FINISHED]
    eventually(lambda: orders.unanswered > 5, seconds=20, what="more of them")
    assert metrics()[FINISHED] == last
    assert metrics()[MINUTES] == 0

    orders.is_there = True
    eventually(lambda: metrics()[MINUTES] == 1, seconds=30, what="the next verdict")
    assert metrics()[FINISHED] > last
