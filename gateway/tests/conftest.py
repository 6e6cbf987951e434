# SPDX-License-Identifier: Apache-2.0
"""A private nginx with the real template, and five stand-in services with a memory."""

import base64
import contextlib
import http.client
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from common.testing import eventually
from souk_local import packages
from souk_local.ports import free_port

GATEWAY = Path(__file__).parents[1]
SERVICES = ("auth", "catalog", "orders", "notifier", "analytics")


def _load_renderer():
    spec = importlib.util.spec_from_file_location("gateway_render", GATEWAY / "render.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def renderer():
    return _load_renderer()


@dataclass
class Reply:
    """What a stand-in answers."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    hangs: bool = False
    breaks: bool = False


@dataclass
class Received:
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: the gateway hangs up on services that hang."""


class Service:
    """A stand-in for one service."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.received: list[Received] = []
        self.replies: dict[str, Reply] = {}
        self.standing: dict[str, Reply] = {
            "/readyz": Reply(body=b'{"ok": true, "checks": {"database": {"ok": true}}}')
        }
        self._released = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                path = self.path.split("?")[0]
                headers = [(key, value) for key, value in self.headers.items()]
                service.received.append(Received(self.command, self.path, headers, body))
                service.answer(self, path)

            do_GET = do_HEAD = do_POST = do_any  # noqa: N815 - the names are given
            do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_any  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._released.clear()
        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler, path: str) -> None:
        reply = self.replies.get(path) or self.standing.get(path) or Reply()
        if reply.hangs:
            self._released.wait(30)
            handler.close_connection = True
            return
        if reply.breaks:
            handler.close_connection = True
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
            return
        body = reply.body if reply.body is not None else json.dumps({"from": self.name}).encode()
        handler.send_response(reply.status)
        for name, value in ({"Content-Type": "application/json"} | reply.headers).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    def reset(self) -> None:
        self._released.set()
        self._released = threading.Event()
        self.received.clear()
        self.replies.clear()

    def stop(self) -> None:
        self._released.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def asked(self, path: str) -> list[Received]:
        return [one for one in self.received if one.path.split("?")[0] == path]

    def last(self) -> Received:
        return self.received[-1]


def _coordinate(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()


class Issuer:
    """Signs tokens as auth does, and as somebody who should not be believed."""

    def __init__(self, kid: str = "first") -> None:
        self.kid = kid
        self.key = ec.generate_private_key(ec.SECP256R1())

    def jwk(self) -> dict[str, str]:
        numbers = self.key.public_key().public_numbers()
        x, y = _coordinate(numbers.x), _coordinate(numbers.y)
        known = {"kid": self.kid, "use": "sig", "alg": "ES256", "x": x, "y": y}
        return {"kty": "EC", "crv": "P-256", **known}

    def key_set(self) -> bytes:
        return json.dumps({"keys": [self.jwk()]}).encode()

    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": "souk",
            "aud": "souk",
            "sub": "7",
            "role": "user",
            "name": "anna",
            "typ": "access",
            "epoch": 1,
            "iat": now,
            "nbf": now,
            "exp": now + 600,
            "jti": uuid4().hex,
        } | changes
        return {name: value for name, value in claims.items() if value is not ...}

    def token(self, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """A token; a claim of ``...`` is left out."""
        return self.signed(self.claims(**changes), {"kid": self.kid} | (header or {}))

    def signed(self, claims: dict[str, Any], header: dict[str, Any]) -> str:
        # PyJWT refuses to make some of the tokens that must be refused, so they are made by hand.
        parts = [self._part({"alg": "ES256", "typ": "JWT"} | header), self._part(claims)]
        signature = jwt.get_algorithm_by_name("ES256").sign(".".join(parts).encode(), self.key)
        return ".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=").decode()])

    @staticmethod
    def _part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Gateway:
    """One nginx of its own."""

    def __init__(self, services: dict[str, Service], **settings: str) -> None:
        # The path of a socket may not be long, and pytest's temporary directories are.
        self.directory = Path(tempfile.mkdtemp(prefix="gw-"))
        self.view_log = self.directory / "views.log"
        self.port = free_port()
        upstreams = {f"{name.upper()}_UPSTREAM": one.address for name, one in services.items()}
        self.settings = {
            "LISTEN": f"127.0.0.1:{self.port}",
            "RUN_DIR": str(self.directory / "run"),
            "LOG_DIR": str(self.directory / "log"),
            "GATEWAY_DIR": str(GATEWAY),
            "MODULES_DIR": "/usr/lib/nginx/modules",
            "VIEW_LOG": str(self.view_log),
            "TOKEN_ISSUER": "souk",
            "TOKEN_AUDIENCE": "souk",
            "WORKER_PROCESSES": "1",
            "RATE_LIMIT_FACTOR": "1000",
            **upstreams,
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        configuration = self.directory / "nginx.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(_load_renderer().render(self.settings))
        run, log = self.settings["RUN_DIR"], self.settings["LOG_DIR"]
        # A group of its own, as supervisors give it.
        command = [GATEWAY / "start", configuration, run, log]
        self._process = subprocess.Popen(command, process_group=0)
        eventually(self._listens, what="that nginx listens")

    def _listens(self) -> bool:
        assert self._process.poll() is None, "nginx ended; its message is above"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        shutil.rmtree(self.directory)

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def kill(self, *, workers: bool) -> None:
        """End it as a crash would: nothing is cleaned up."""
        for pid in [self._process.pid, *(self.workers() if workers else [])]:
            os.kill(pid, signal.SIGKILL)
        self._process.wait(10)

    def ask(
        self,
        path: str,
        method: str = "GET",
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        accept: str | None = "application/json",
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        sent = dict(headers or {})
        if accept is not None:
            sent["Accept"] = accept
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def say(self, raw: bytes) -> bytes:
        """Send bytes as they are; everything that comes back until the gateway closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(raw)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def views(self) -> list[dict[str, Any]]:
        text = self.view_log.read_text(errors="replace")
        # Not splitlines(): a user agent may hold what that takes for an end as well.
        return [json.loads(line) for line in text.split("\n")[:-1]]


@pytest.fixture(scope="session", autouse=True)
def nginx() -> None:
    """Nothing here works without it."""
    packages.ensure_installed(["nginx", "libnginx-mod-http-js"])


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="session")
def make_issuer() -> type[Issuer]:
    return Issuer


@pytest.fixture(scope="session")
def reply() -> type[Reply]:
    return Reply


def _start_services(issuer: Issuer) -> dict[str, Service]:
    services = {name: Service(name) for name in SERVICES}
    services["auth"].standing["/.well-known/jwks.json"] = Reply(body=issuer.key_set())
    for service in services.values():
        service.start()
    return services


@pytest.fixture(scope="session")
def shared_services(issuer: Issuer) -> Iterator[dict[str, Service]]:
    services = _start_services(issuer)
    yield services
    for service in services.values():
        service.stop()


@pytest.fixture
def services(shared_services: dict[str, Service]) -> Iterator[dict[str, Service]]:
    yield shared_services
    for service in shared_services.values():
        service.reset()


@pytest.fixture(scope="session")
def shared_gateway(shared_services: dict[str, Service]) -> Iterator[Gateway]:
    gateway = Gateway(shared_services)
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture
def gateway(shared_gateway: Gateway, services: dict[str, Service]) -> Gateway:
    return shared_gateway


@pytest.fixture
def own_services(issuer: Issuer) -> Iterator[dict[str, Service]]:
    """Services that a test may stop."""
    services = _start_services(issuer)
    yield services
    for service in services.values():
        service.stop()


@pytest.fixture
def start_gateway(own_services: dict[str, Service]) -> Iterator[Callable[..., Gateway]]:
    """Starts an nginx with nothing cached and settings of the test's own."""
    started: list[Gateway] = []

    def start(**settings: str) -> Gateway:
        gateway = Gateway(own_services, **settings)
        started.append(gateway)
        gateway.start()
        return gateway

    yield start
    for gateway in started:
        gateway.stop()
