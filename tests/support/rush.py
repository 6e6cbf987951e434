# SPDX-License-Identifier: Apache-2.0
"""A rush of buyers: many clients in a closed loop, each order with a key of its own."""

import http.client
import json
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from threading import Barrier, Event, Thread
from typing import Self
from urllib.parse import urlsplit

from support.shop import Person

MOST_TRIES = 20


@dataclass(frozen=True)
class Attempt:
    """What became of one order."""

    status: int
    code: str
    order_id: str | None


def rush(buyers: Sequence[Person], product_id: int, attempts: int) -> list[Attempt]:
    """Order one unit *attempts* times, by all *buyers* at once."""
    start = Barrier(len(buyers))
    share = attempts // len(buyers)

    def buy(buyer: Person) -> list[Attempt]:
        address = urlsplit(buyer.url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
        start.wait()
        try:
            return [_order(connection, buyer, product_id) for _ in range(share)]
        finally:
            connection.close()

    with ThreadPoolExecutor(len(buyers)) as pool:
        return [attempt for done in pool.map(buy, buyers) for attempt in done]


def outcomes(attempts: Sequence[Attempt]) -> Counter[tuple[int, str]]:
    return Counter((attempt.status, attempt.code) for attempt in attempts)


def _order(connection: http.client.HTTPConnection, buyer: Person, product_id: int) -> Attempt:
    body = json.dumps({"items": [{"product": product_id, "quantity": 1}]})
    key = secrets.token_hex(12)
    for _ in range(MOST_TRIES):
        headers = {
            "Authorization": f"Bearer {buyer.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        connection.request("POST", "/v1/orders", body, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        if response.status == 401:
            buyer.refresh()  # on a slow machine the sale is longer than a token's life
        elif response.status == 503 or answer.get("code") == "in_progress":
            # Nobody knows yet: a client asks again with the same key, when it was told to.
            time.sleep(float(response.headers["Retry-After"]))
        else:
            break
    return Attempt(response.status, answer.get("code", ""), answer.get("id"))


class Watcher:
    """Reads a product's stock all the time and remembers the lowest that was ever shown."""

    def __init__(self, url: str, product_id: int) -> None:
        self.lowest = 2**31
        self.reads = 0
        self._address = urlsplit(url)
        self._path = f"/v1/products/{product_id}"
        self._stop = Event()
        self._thread = Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        address = self._address
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
        while not self._stop.wait(0.02):
            connection.request("GET", self._path)
            response = connection.getresponse()
            answer = json.loads(response.read())
            # A 503, as anybody may get in a rush, says nothing about the stock.
            if response.status == HTTPStatus.OK:
                self.lowest = min(self.lowest, answer["available"])
                self.reads += 1
        connection.close()
