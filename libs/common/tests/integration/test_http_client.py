# SPDX-License-Identifier: Apache-2.0
"""Calls to other services, against a real HTTP server that misbehaves on demand."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest

from common import http
from common.context import Trace, traced
from common.http import Client
from common.problems import Unavailable
from common.testing import eventually, ever_within
from common.tokens import ServiceTokens

KEY = "0123456789abcdefghijklmnopqrstuvwxyz"


class Server:
    """Remembers requests; ``behave`` decides about each: a status, ``hang``, or ``hang up``."""

    def __init__(self):
        self.requests = []
        self.behave = lambda _request: 200
        self.release = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("Content-Length", 0))
                request = (self.command, self.path, dict(self.headers), self.rfile.read(length))
                outer.requests.append(request)
                how = outer.behave(request)
                if how == "hang":
                    outer.release.wait(60)
                    how = 200
                if how == "hang up":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                body = orjson.dumps({"status": how})
                self.send_response(how)
                if how == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = answer  # noqa: N815 - the library's names

            def log_message(self, *_):
                """Say nothing."""

            def handle(self):
                try:
                    super().handle()
                except OSError:
                    return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.release.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


@pytest.fixture
def client(server):
    return Client(server.url + "/", ServiceTokens(KEY, "orders"), read_seconds=30)


def test_a_call_carries_who_asks_why_and_in_whose_name(server, client):
    with traced(Trace(correlation_id="c" * 32, actor="user/7")):
        answer = client.put("/internal/reservations/1", {"items": [1]})

    ((method, path, headers, body),) = server.requests
    assert (answer.status, answer.json()) == (200, {"status": 200})
    assert (method, path, orjson.loads(body)) == (
        "PUT",
        "/internal/reservations/1",
        {"items": [1]},
    )
    assert headers["X-Request-Id"] == "c" * 32
    assert headers["X-Souk-Actor"] == "user/7"
    assert headers["Content-Type"] == "application/json"
    token = headers["Authorization"].removeprefix("Bearer ")
    assert ServiceTokens(KEY, "catalog").verify(token) == "orders"


def test_without_a_key_no_token_is_sent(server):
    Client(server.url, None).get("/.well-known/jwks.json")

    assert "Authorization" not in server.requests[0][2]


@pytest.mark.parametrize("status", [200, 201, 302, 400, 404, 409, 422, 429])
def test_what_the_other_service_says_is_an_answer_and_no_redirect_is_followed(
    server, client, status
):
    server.behave = lambda _request: status

    assert client.get("/x").status == status


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize("call", ["get", "put"])
def test_a_failure_is_unavailable_and_not_repeated_at_once(server, client, status, call):
    server.behave = lambda _: status

    with pytest.raises(Unavailable):
        client.get("/x") if call == "get" else client.put("/x", {})

    assert len(server.requests) == 1


@pytest.mark.parametrize("call", ["get", "put"])
def test_a_connection_that_was_closed_under_us_is_tried_once_more(server, client, call):
    server.behave = lambda _: "hang up" if len(server.requests) == 1 else 200

    answer = client.get("/x") if call == "get" else client.put("/x", {"a": 1})

    assert answer.status == 200
    assert len(server.requests) == 2
    assert server.requests[0][3] == server.requests[1][3]


def test_what_may_not_be_repeated_is_sent_once(server, client):
    server.behave = lambda _: "hang up"

    with pytest.raises(Unavailable):
        client._call("POST", "/x", b"{}")

    assert len(server.requests) <= 1


def test_a_server_that_does_not_answer_in_time_is_unavailable(server):
    server.behave = lambda _: "hang"

    def refused():
        server.requests.clear()
        with pytest.raises(Unavailable):
            Client(server.url, None, read_seconds=0.3).get("/x")

    assert ever_within(5, refused)
    eventually(lambda: server.requests, what="the request")
    assert len(server.requests) == 1, "who hangs is asked again only by the next caller"


def test_a_port_where_nobody_listens_is_unavailable():
    with pytest.raises(Unavailable):
        Client("http://127.0.0.1:1", None).get("/x")


def test_calls_go_out_at_the_same_time(server):
    """A breaker that is a lock would make them a queue."""
    together = threading.Barrier(6, timeout=60)

    def meet(_request):
        together.wait()
        return 200

    server.behave = meet
    client = Client(server.url, None, read_seconds=70)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: client.get("/x").status, range(6)))

    assert answers == [200] * 6


def fail_until_open(server, client):
    server.behave = lambda _: 503
    for _ in range(http.FAILURES_BEFORE_OPEN):
        with pytest.raises(Unavailable):
            client.get("/x")
    server.requests.clear()


def test_after_many_failures_the_other_service_is_left_alone(server):
    client = Client(server.url, None, rest=3600, read_seconds=30)
    fail_until_open(server, client)

    for _ in range(20):
        with pytest.raises(Unavailable):
            client.get("/x")

    assert server.requests == []


def test_refusals_do_not_count_as_failures(server, client):
    server.behave = lambda _: 409
    for _ in range(3 * http.FAILURES_BEFORE_OPEN):
        assert client.get("/x").status == 409


def test_it_is_asked_again_after_a_while_and_all_is_well(server):
    client = Client(server.url, None, rest=0.2, read_seconds=30)
    fail_until_open(server, client)
    server.behave = lambda _: 200

    def healed():
        try:
            return client.get("/x").status == 200
        except Unavailable:
            return False

    eventually(healed)

    assert [client.get("/x").status for _ in range(20)] == [200] * 20


def test_a_trial_that_fails_closes_the_door_again(server):
    client = Client(server.url, None, rest=0.2, read_seconds=30)
    fail_until_open(server, client)

    def trial():
        with pytest.raises(Unavailable):
            client.get("/x")
        return server.requests

    eventually(trial)
    client._breaker.reset_timeout = 3600
    tried = len(server.requests)
    with pytest.raises(Unavailable):
        client.get("/x")

    assert len(server.requests) == tried == 1


def test_a_proxy_in_the_environment_is_none_of_our_business(server, client, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert client.get("/x").status == 200
