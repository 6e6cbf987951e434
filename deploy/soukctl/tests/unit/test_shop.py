# SPDX-License-Identifier: Apache-2.0
"""Long work at the gateway goes on after a lost token, a limit and a moment of silence."""

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from soukctl import gateway as calls
from soukctl import shop as module
from soukctl.gateway import GatewayClient
from soukctl.shop import Refused, Shop

OK = (200, {"items": [1], "next_cursor": None})
PROBLEM = {"detail": "Not so.", "errors": {"to": ["is before from"]}}


class Gateway:
    """Lets everybody in, and answers each call with what was said beforehand."""

    def __init__(self):
        self.answers, self.asked, self.log_ins = deque(), [], 0
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path == "/v1/auth/login":
                    gateway.log_ins += 1
                    status, body = 200, {"access_token": str(gateway.log_ins)}
                else:
                    gateway.asked.append((self.command, self.path, self.headers["Authorization"]))
                    status, body = gateway.answers.popleft()
                if isinstance(body, bytes):
                    self.wfile.write(body)
                    return
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            do_GET = do_POST = answer  # noqa: N815 - http.server names them so

            def log_message(self, *_):
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def gateway(monkeypatch):
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0)
    gateway = Gateway()
    yield gateway
    gateway.close()


@pytest.fixture
def shop(gateway):
    return Shop(f"http://127.0.0.1:{gateway.server.server_port}/", "root", "secret")


def test_one_log_in_is_enough_until_the_token_has_run_out(gateway, shop):
    gateway.answers.extend([OK, OK, (401, {}), OK])

    for _ in range(3):
        shop.get("/v1/things")

    assert [bearer for _, _, bearer in gateway.asked] == [
        *("Bearer 1", "Bearer 1", "Bearer 1"),
        "Bearer 2",
    ]


@pytest.mark.parametrize(("patience", "told"), [(0, 503), (30, 201)])
def test_who_has_patience_asks_a_busy_stack_again(gateway, monkeypatch, patience, told):
    monkeypatch.setattr(calls, "PAUSE_SECONDS", 0)
    gateway.answers.extend([(503, {}), (503, {}), (201, {})])
    client = GatewayClient(
        f"http://127.0.0.1:{gateway.server.server_port}", patience_seconds=patience
    ).logged_in("root", "secret")

    assert client.post("/v1/things", {}).status == told


@pytest.mark.parametrize("status", [429, 503])
def test_a_read_is_asked_again_after_a_moment(gateway, shop, status):
    gateway.answers.extend([(status, {}), (status, {}), OK])

    assert shop.get("/v1/things") == OK[1]


def test_what_changes_something_is_repeated_only_where_nothing_was_done(gateway, shop):
    gateway.answers.extend([(429, {}), (200, "done"), (503, PROBLEM)])

    assert shop.post("/v1/things", {}) == "done"
    with pytest.raises(Refused, match="503"):
        shop.post("/v1/things", {})
    assert len(gateway.asked) == 3


def test_who_stays_away_is_not_asked_for_ever(gateway, shop):
    gateway.answers.extend([(503, PROBLEM)] * 9)

    with pytest.raises(Refused, match="503 Not so"):
        shop.get("/v1/things")
    assert len(gateway.asked) == 4


def test_a_refusal_says_what_is_wrong_with_which_field(gateway, shop):
    gateway.answers.append((422, PROBLEM))

    with pytest.raises(Refused) as refusal:
        shop.post("/v1/things", {})
    assert str(refusal.value) == '/v1/things: 422 Not so. {"to": ["is before from"]}'


def test_pages_are_followed_to_the_end(gateway, shop):
    gateway.answers.extend([(200, {"items": [1, 2], "next_cursor": "a b"}), OK])

    assert list(shop.pages("/v1/things", sort="price")) == [[1, 2], [1]]
    assert gateway.asked[1][1] == "/v1/things?sort=price&limit=200&cursor=a+b"


@pytest.mark.parametrize("status", ["200 OK", "502 Bad Gateway"])
def test_an_answer_that_breaks_off_is_none(gateway, shop, status):
    broken = f"HTTP/1.1 {status}\r\nContent-Length: 99\r\nConnection: close\r\n\r\n{{".encode()
    gateway.answers.extend([(0, broken), (0, b"220 smtp.example ready\r\n")])

    for _ in range(2):
        with pytest.raises(Refused, match="does not answer"):
            shop.get("/v1/things")
