# SPDX-License-Identifier: Apache-2.0
"""The proxy itself: each fault is one, and without a fault nothing changes."""

import socket
import threading
import time

import pytest

from common.testing import eventually
from support.proxy import Proxy

BIG = b"x" * 1_000_000


class Echo:
    """Answers everything with itself, and remembers it; is silent on demand."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.heard = b""
        self.is_silent = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client):
        with client:
            try:
                while data := client.recv(65_536):
                    self.heard += data
                    if not self.is_silent.is_set():
                        client.sendall(data)
            except OSError:
                return

    def close(self):
        if self._listener.fileno() >= 0:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()


@pytest.fixture
def echo():
    made = Echo()
    yield made
    made.close()


@pytest.fixture
def proxy(echo):
    made = Proxy("127.0.0.1", echo.port)
    yield made
    made.close()


@pytest.fixture
def dial(proxy):
    """Opens a connection through the proxy; all end with the test."""
    dialled = []

    def connect(seconds=10):
        client = socket.create_connection(("127.0.0.1", proxy.port), timeout=seconds)
        dialled.append(client)
        return client

    yield connect
    for client in dialled:
        client.close()


def receive(client, count):
    """*count* bytes, or what came before the connection ended."""
    data = b""
    while len(data) < count and (piece := client.recv(65_536)):
        data += piece
    return data


def ask(client, data=b"hello"):
    client.sendall(data)
    return receive(client, len(data))


def test_without_a_fault_everything_comes_through_both_ways(proxy, dial):
    client = dial()
    threading.Thread(target=client.sendall, args=(BIG,), daemon=True).start()

    assert receive(client, len(BIG)) == BIG
    assert ask(dial()) == b"hello"
    assert proxy.connections == 2


def test_a_client_that_leaves_is_gone_at_the_server_too(proxy, dial):
    client = dial()
    ask(client)
    assert len(proxy._open_cables()) == 1

    client.close()

    eventually(lambda: not proxy._open_cables())


def test_a_url_keeps_its_user_and_path(proxy):
    assert proxy.url("mysql+pymysql://ada:s%40@db:3306/catalog?x=1") == (
        f"mysql+pymysql://ada:s%40@127.0.0.1:{proxy.port}/catalog?x=1"
    )


def test_a_delay_holds_up_answers_and_not_requests(proxy, dial, echo):
    client = dial()
    proxy.delay(0.3)
    began = time.monotonic()

    client.sendall(b"hello")
    eventually(lambda: echo.heard == b"hello")

    assert receive(client, 5) == b"hello"
    assert time.monotonic() - began >= 0.3


def test_a_stalled_server_takes_connections_and_says_nothing(proxy, dial, echo):
    old = dial()
    ask(old)
    proxy.stall()
    new = dial()

    for client in (old, new):
        client.settimeout(0.2)
        client.sendall(b"again")
        with pytest.raises(TimeoutError):
            client.recv(1)
    assert echo.heard == b"hello"

    eventually(lambda: [cable.is_broken for cable in proxy._open_cables()] == [True, True])
    proxy.heal()
    for client in (old, new):
        client.settimeout(10)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert ask(dial()) == b"hello"


def test_a_server_that_is_gone_refuses_and_is_back_on_the_same_port(proxy, dial):
    old, port = dial(), proxy.port
    ask(old)
    proxy.refuse()

    with pytest.raises(ConnectionResetError):
        old.recv(1)
    with pytest.raises(ConnectionRefusedError):
        dial()

    proxy.heal()
    assert proxy.port == port
    assert ask(dial()) == b"hello"


@pytest.mark.parametrize("to", ["client", "server"])
def test_a_cut_comes_after_so_many_bytes(proxy, dial, echo, to):
    proxy.cut_after(7, to=to)
    client = dial()

    assert ask(client) == b"hello"
    client.sendall(b"hello")
    if to == "client":
        assert receive(client, 2) == b"he"
    else:
        eventually(lambda: echo.heard == b"hellohe")
    with pytest.raises(ConnectionResetError):
        receive(client, 99)
    assert ask(dial()) == b"hello", "one cut is one cut"


def test_a_reset_ends_what_is_open_and_nothing_else(proxy, dial):
    client = dial()
    ask(client)

    proxy.reset()

    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert ask(dial()) == b"hello"


@pytest.mark.parametrize("pieces", [[b"do COMMIT now"], [b"do COM", b"MIT now"]])
def test_an_answer_is_swallowed_after_the_server_did_its_part(proxy, dial, echo, pieces):
    proxy.swallow_answer_to(b"COMMIT")
    client, heard = dial(), b""
    for piece in pieces:
        client.sendall(piece)
        heard += piece
        if piece is not pieces[-1]:
            assert receive(client, len(piece)) == piece

    with pytest.raises(ConnectionResetError):
        client.recv(1)

    assert echo.heard == heard
    assert proxy.swallowed == 1
    assert ask(dial(), b"COMMIT") == b"COMMIT", "one answer is one answer"


def test_other_answers_are_not_swallowed(proxy, dial):
    proxy.swallow_answer_to(b"COMMIT", skip=1)
    client = dial()

    assert ask(client, b"SELECT") == b"SELECT"
    assert ask(client, b"COMMIT") == b"COMMIT"
    assert proxy.swallowed == 0
    client.sendall(b"COMMIT")
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_a_swallowed_answer_may_leave_the_client_waiting(proxy, dial, echo):
    proxy.swallow_answer_to(b"COMMIT", then="hang")
    client = dial()

    client.sendall(b"COMMIT")

    eventually(lambda: (echo.heard, proxy.swallowed) == (b"COMMIT", 1))
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(1)


def test_an_answer_that_nobody_waited_for_does_not_count(proxy, dial, echo):
    proxy.swallow_answer_to(b"COMMIT")
    echo.is_silent.set()
    client = dial()
    client.sendall(b"COMMIT")
    eventually(lambda: echo.heard == b"COMMIT")
    client.close()
    eventually(lambda: not proxy._open_cables())
    echo.is_silent.clear()

    with pytest.raises(ConnectionResetError):
        ask(dial(), b"COMMIT")
    assert proxy.swallowed == 1


def test_a_server_that_is_really_gone_is_gone_behind_the_proxy_too(proxy, dial, echo):
    echo.close()

    assert receive(dial(), 1) == b""
