# SPDX-License-Identifier: Apache-2.0
"""One order is one trace, from the request to the last effect of its event; off, nothing of it."""

import os
import secrets
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import orjson
import pytest
import requests
from faults.house import running, stop_all

from catalog.commands.products import NewProduct, create_product
from common.testing import eventually
from common.traces import let_in
from souk_local.ports import free_port

let_in()
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: E402
    ExportTraceServiceRequest,
)

SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
ADA = 1

LOADED = """
import sys
from {service}.app import create_app
import {service}.worker
create_app()
print(any(name.startswith("opentelemetry.") for name in sys.modules))
"""


TOGETHER = """
import sys
from common import traces
traces.let_in()
from common.context import Trace, traced
from common.contracts import OrderRejected
from common.events import Envelope
from common.traces.spans import Spans

traces._spans = Spans("catalog", sys.argv[1], [])
causes = [f"00-{number:032x}-{number:016x}-01" for number in (1, 2)]
with traces.handling_together("OrderPlaced", causes) as spans:
    for span in spans:
        with traced(Trace(span=span)):
            event = OrderRejected(order_id="1", reason="sold_out")
            print(Envelope.seal(event, aggregate_version=1).traceparent)
"""

GLANCED = """
import sys
from common import traces
traces.let_in()
from common.db import Database
from common.traces.spans import Spans

collector, url, parent = sys.argv[1:]
traces._spans = Spans("catalog", collector, [])
with traces.handling("OrderPlaced", parent):
    Database(url).glance(lambda glance: glance.first_column("SELECT %s", ["seen by nobody"]))
"""


@dataclass(frozen=True, kw_only=True)
class Span:
    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP as a real collector does."""

    daemon_threads = True

    def __init__(self):
        self.spans = []
        super().__init__(("127.0.0.1", 0), _Receiver)
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, body):
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.spans += [
                Span(
                    service=named["service.name"],
                    name=span.name,
                    kind=span.kind,
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                )
                for scope in resource.scope_spans
                for span in scope.spans
            ]

    def wait_for(self, trace, service, name, kind):
        def found():
            return [
                span
                for span in self.spans
                if (span.trace, span.service, span.kind) == (trace, service, kind)
                and span.name.startswith(name)
            ]

        return eventually(found, seconds=20, what=f"{service}'s span {name}")[0]

    def way_up(self, span):
        """The services and names of *span* and all that it came from."""
        by_id = {each.id: each for each in self.spans}
        way = [span]
        while way[-1].parent:
            way.append(by_id[way[-1].parent])
        return [(each.service, each.name.split(" souk")[0].split(" catalog")[0]) for each in way]


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        assert self.path == "/v1/traces"
        self.server.take(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class _Auth(BaseHTTPRequestHandler):
    def do_GET(self):
        known = {
            "/.well-known/jwks.json": self.server.key_set,
            f"/internal/users/{ADA}/epoch": {"epoch": 0},
            f"/internal/users/{ADA}": {"id": ADA, "username": "ada", "guest": False},
        }
        self.send_response(200)
        self.end_headers()
        self.wfile.write(orjson.dumps(known[self.path]))

    def log_message(self, *_):
        pass


def is_ready(port):
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def auth_url(token_factory):
    """Auth, as far as the others ask for it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Auth)
    server.key_set = token_factory.key_set()
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(servers, service_key, auth_url):
    def of(database):
        return {
            "DATABASE_URL": database.engine.url.render_as_string(hide_password=False),
            "AMQP_URL": servers.amqp_url,
            "REDIS_URL": servers.redis_url,
            "SERVICE_TOKEN_KEY": service_key,
            "SECRET_KEY": secrets.token_urlsafe(48),
            "AUTH_URL": auth_url,
            "JWKS_URL": f"{auth_url}/.well-known/jwks.json",
        }

    return of


@pytest.fixture
def lamp(database_of, clean):
    """A product's id; its events are nobody's trace."""
    clean(database_of("orders"))
    clean(database_of("catalog"))
    seller = {"seller_id": 7, "seller_name": "grace"}
    new = NewProduct(name="Lamp", price=1250, quantity=9)
    return database_of("catalog").run(create_product, new=new, currency="USD", **seller).id


@pytest.fixture
def shop(database_of, settings, collector, fresh_readers, tmp_path):
    """Catalog and orders with their workers, all traced; gives orders' address."""
    for publisher in ("catalog", "orders"):
        fresh_readers(publisher)
    ports = {(service, role): free_port() for service in ("catalog", "orders") for role in "wb"}
    with ExitStack() as processes:
        started = []
        for service in ("catalog", "orders"):
            environment = settings(database_of(service)) | {
                "HTTP_PORT": str(ports[service, "w"]),
                "WORKER_PORT": str(ports[service, "b"]),
                "CATALOG_URL": f"http://127.0.0.1:{ports['catalog', 'w']}",
                "CATALOG_SECONDS": "5",
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
                "OTEL_BSP_SCHEDULE_DELAY": "100",
            }
            for role in ("web", "worker"):
                log = tmp_path / f"{service}-{role}.log"
                command = running(log, service, role, environment=environment)
                started.append(processes.enter_context(command))
        for port in ports.values():
            eventually(lambda port=port: is_ready(port), seconds=120, what="all ready")
        yield f"http://127.0.0.1:{ports['orders', 'w']}"
        stop_all(started)


def test_one_order_is_one_trace_and_no_clock_begins_one(shop, collector, token_factory, lamp):
    request_id = secrets.token_hex(16)
    headers = {"X-Request-Id": request_id, "Idempotency-Key": "k"}
    answer = requests.post(
        f"{shop}/v1/orders",
        json={"items": [{"product": lamp, "quantity": 2}]},
        headers=headers | token_factory.bearer(ADA),
        timeout=30,
    )
    assert answer.status_code == 201, answer.text

    sold = collector.wait_for(request_id, "catalog", "handle OrderPlaced", CONSUMER)
    reserved = collector.wait_for(request_id, "catalog", "PUT /internal/reservations", SERVER)
    placed = collector.wait_for(request_id, "orders", "POST /v1/orders", SERVER)
    published = collector.wait_for(request_id, "orders", "publish OrderPlaced", PRODUCER)
    told = collector.wait_for(request_id, "catalog", "publish StockChanged", PRODUCER)

    assert placed.parent == ""
    assert collector.way_up(reserved) == [
        ("catalog", reserved.name),
        ("orders", "PUT"),
        ("orders", "POST /v1/orders"),
    ]
    assert (published.parent, sold.parent, told.parent) == (placed.id, published.id, sold.id)
    statements = {
        (span.service, span.parent)
        for span in collector.spans
        if span.trace == request_id and span.name.startswith(("INSERT", "UPDATE"))
    }
    assert {("orders", placed.id), ("catalog", reserved.id), ("catalog", sold.id)} <= statements

    # The product's event was appended by nobody who traces: it begins a trace, and no clock does.
    beginnings = {span.name: span.kind for span in collector.spans if not span.parent}
    assert beginnings["publish ProductCreated"] == PRODUCER
    assert set(beginnings.values()) <= {SERVER, PRODUCER, CONSUMER}
    assert not [name for name in beginnings if "readyz" in name]


def test_events_that_are_handled_together_have_a_span_each(collector):
    ended = subprocess.run(
        [sys.executable, "-c", TOGETHER, collector.url],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    told = ended.stdout.split()
    for number, traceparent in enumerate(told, start=1):
        _, trace, span, _ = traceparent.split("-")
        handled = collector.wait_for(trace, "catalog", "handle OrderPlaced", CONSUMER)
        assert (trace, span) == (f"{number:032x}", handled.id)
        assert handled.parent == f"{number:016x}"
    assert len(told) == 2


def test_a_statement_past_sqlalchemy_has_a_span_too(collector, database_of):
    trace, url = f"{7:032x}", database_of("catalog").engine.url
    parent = f"00-{trace}-{7:016x}-01"
    subprocess.run(
        [
            *(sys.executable, "-c", GLANCED, collector.url),
            *(url.render_as_string(hide_password=False), parent),
        ],
        check=True,
        timeout=60,
    )

    handled = collector.wait_for(trace, "catalog", "handle OrderPlaced", CONSUMER)
    assert collector.wait_for(trace, "catalog", "SELECT", CLIENT).parent == handled.id


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:9"])
def test_without_a_collector_nothing_of_it_is_imported(settings, database_of, endpoint):
    """With one it is: this is no test that can't fail."""
    environment = settings(database_of("catalog")) | {
        "PATH": os.environ["PATH"],
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
    }
    ended = subprocess.run(
        [sys.executable, "-c", LOADED.format(service="catalog")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert ended.stdout.splitlines()[-1] == str(endpoint != "")
