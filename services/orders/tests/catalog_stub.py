# SPDX-License-Identifier: Apache-2.0
"""A little catalog on a real socket: it keeps its reservations, and misbehaves when told to."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

LAMP, CHAIR, RUG = 11, 12, 13
"""Products that the fixture sells."""

Reply = tuple[int, dict[str, Any]]


class CatalogStub:
    """Products to sell, what is held for whom, and a mood.

    Attributes:
        mood: ``well``; ``away`` (503); ``cut`` (closes the connection before it does anything);
            ``deaf`` (does what it is told, then closes the connection without an answer); ``odd``
            (a refusal that nobody knows); ``babbling`` (an answer that is no JSON); ``old`` (a
            release that does not know the call); ``blunt`` (one order's fault is everybody's).
        commands: The order id of every reserve command that arrived.
        wishes: What each of them said.
        calls: How many calls brought them.
        spoil: Changes the answers to a call before they are sent.
        documents: What else a GET finds, by path: keys and users, where it also stands for auth.
        waiting: How many reserve commands came to the gate.
        gate: While it is closed they wait, at most a minute.
    """

    def __init__(self) -> None:
        self.products: dict[int, dict[str, Any]] = {}
        self.reservations: dict[str, Reply] = {}
        self.mood = "well"
        self.commands: list[str] = []
        self.wishes: list[dict[str, Any]] = []
        self.calls = 0
        self.spoil: Callable[[list[Any]], list[Any]] = lambda answers: answers
        self.reads = 0
        self.waiting = 0
        self.documents: dict[str, dict[str, Any]] = {}
        self.gate = threading.Event()
        self.gate.set()
        self._lock = threading.Lock()

    def sell(
        self,
        product_id: int,
        name: str,
        *,
        price: int = 1000,
        stock: int = 10,
        sku: str | None = None,
    ) -> int:
        self.products[product_id] = {
            "product_id": product_id,
            "public_id": f"public{product_id:06d}",
            "sku": sku,
            "name": name,
            "price": price,
            "currency": "USD",
            "available": stock,
        }
        return product_id

    def available(self, product_id: int) -> int:
        return int(self.products[product_id]["available"])

    def held(self) -> list[str]:
        """The orders that hold stock."""
        return [order for order, (status, _) in self.reservations.items() if status == 200]

    def resolve(self, refs: list[str]) -> Reply:
        with self._lock:
            self.reads += 1
            found = [{"ref": ref, **product} for ref in refs if (product := self._find(ref))]
            return 200, {"items": found}

    def _find(self, ref: str) -> dict[str, Any] | None:
        names = ("product_id", "public_id", "sku")
        for product in self.products.values():
            if ref in {str(product[name]) for name in names if product[name] is not None}:
                return product
        return None

    def reserve_all(self, wishes: list[dict[str, Any]]) -> Reply:
        self.calls += 1
        self.wishes += wishes
        if self.mood == "blunt" and any(
            line["product_id"] not in self.products for wish in wishes for line in wish["items"]
        ):
            return 422, {"code": "invalid"}
        answers = []
        for wish in wishes:
            status, body = self.reserve(wish["order_id"], wish)
            if self.mood == "odd":
                status, body = 409, {"code": "reservation_conflict"}
            answers.append({"status": status, "body": body})
        return 200, {"answers": self.spoil(answers)}

    def reserve(self, order_id: str, wish: dict[str, Any]) -> Reply:
        with self._lock:
            self.commands.append(order_id)
            if order_id not in self.reservations:
                self.reservations[order_id] = self._decide(order_id, wish)
            return self.reservations[order_id]

    def _decide(self, order_id: str, wish: dict[str, Any]) -> Reply:
        lines = {line["product_id"]: line["quantity"] for line in wish["items"]}
        if missing := [{"product_id": number} for number in lines if number not in self.products]:
            return 404, {"code": "product_not_found", "items": missing}
        if short := [
            {"product_id": number, "requested": units, "available": self.available(number)}
            for number, units in lines.items()
            if units > self.available(number)
        ]:
            return 409, {"code": "insufficient_stock", "items": short}
        total = sum(self.products[number]["price"] * units for number, units in lines.items())
        if total >= 2**63:
            return 422, {"code": "order_too_large"}
        if wish["expected_total"] not in {None, total}:
            return 409, {"code": "price_changed", "total": str(total)}
        items = []
        for number, units in sorted(lines.items()):
            product = self.products[number]
            product["available"] -= units
            line = {key: product[key] for key in ("product_id", "sku", "name")}
            items.append(line | {"quantity": units, "unit_price": product["price"]})
        answer = {"order_id": order_id, "status": "reserved", "items": items}
        return 200, answer | {"total": total, "currency": "USD"}


class _Handler(BaseHTTPRequestHandler):
    stub: CatalogStub
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer: a second one would wait for the first's receipt

    def do_GET(self) -> None:
        if self.path in self.stub.documents:
            self._answer(200, self.stub.documents[self.path])
        elif self._behaves():
            self._answer(*self._found())

    def _found(self) -> Reply:
        if self.path.startswith("/internal/users/"):
            return 404, {"code": "user_not_found"}
        refs = parse_qs(urlsplit(self.path).query).get("refs", [""])[0].split(",")
        return self.stub.resolve(refs)

    def do_PUT(self) -> None:
        wish = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.stub.waiting += 1
        self.stub.gate.wait(60)
        if self._behaves():
            reply = self.stub.reserve_all(wish["reservations"])
            if self.stub.mood == "deaf":
                self._hang_up()
            else:
                self._answer(*reply)

    def _behaves(self) -> bool:
        if not self.headers.get("Authorization", "").startswith("Bearer "):
            self._answer(401, {"code": "token_missing"})
        elif self.stub.mood == "away":
            self._answer(503, {"code": "unavailable"})
        elif self.stub.mood == "old":
            self._answer(404, {"code": "not_found"})
        elif self.stub.mood == "babbling":
            self._send(200, b"<html>")
        elif self.stub.mood == "cut":
            self._hang_up()
        else:
            return True
        return False

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        self._send(status, json.dumps(body).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            self.close_connection = True


@contextmanager
def serve(stub: CatalogStub) -> Iterator[str]:
    """Serve *stub* on a free port; gives its URL."""

    handler = type("Handler", (_Handler,), {"stub": stub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        stub.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()
