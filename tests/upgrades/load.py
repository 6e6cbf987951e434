# SPDX-License-Identifier: Apache-2.0
"""People who use the shop all the time and never ask twice: each of their requests must succeed."""

import http.client
import json
import secrets
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from urllib.parse import urlsplit

from support.shop import PASSWORD, Person, Shop

PEOPLE = 3
PAUSE_SECONDS = 0.05
ANSWER_SECONDS = 30
LATE_SECONDS = 0.9


@dataclass
class Load:
    """What was asked, what failed, and what the shop promised.

    Attributes:
        asked: Successful requests by what they were.
        failed: One line for each of the others,
        late: but for 503s that took as long as a busy machine does: who is gone is told at once.
        orders: The ids of all orders that were acknowledged.
        tokens: Every access token that was given out.
    """

    url: str
    product: int
    asked: Counter = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    orders: set[str] = field(default_factory=set)
    tokens: list[str] = field(default_factory=list)
    over: Event = field(default_factory=Event)
    _lock: Lock = field(default_factory=Lock)

    @property
    def rounds(self) -> int:
        """How often somebody came to the end of the tour and began anew."""
        return self.asked["order"]

    def tour(self, person: Person) -> None:
        """Look, fill the cart, order, log in again; until it is over."""
        login, one = {"login": person.username, "password": PASSWORD}, {"quantity": 1}
        while not self.over.is_set():
            self._ask("page", person, "GET", f"/v1/products/{self.product}")
            self._ask("list", person, "GET", "/v1/products?limit=5")
            self._ask("cart", person, "PUT", f"/v1/cart/items/{self.product}", one)
            order = self._ask("order", person, "POST", "/v1/orders", {}, secrets.token_hex(8))
            self._ask("orders", person, "GET", "/v1/orders?limit=1")
            self._ask("me", person, "GET", "/v1/users/me")
            entered = self._ask("login", person, "POST", "/v1/auth/login", login)
            with self._lock:
                if order:
                    self.orders.add(order["id"])
                if entered:
                    person.token = entered["access_token"]
                    self.tokens.append(person.token)

    def _ask(self, what, person, method, path, body=None, key=None):
        """Ask once, on a connection of its own: a kept one may end between two requests."""
        self.over.wait(PAUSE_SECONDS)
        headers = {"Authorization": f"Bearer {person.token}", "Content-Type": "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        sent, began = None if body is None else json.dumps(body), time.monotonic()
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(
            str(address.hostname), address.port, timeout=ANSWER_SECONDS
        )
        try:
            connection.request(method, path, sent, headers)
            response = connection.getresponse()
            status, content = response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            status, content = 0, repr(error).encode()
        finally:
            connection.close()
        with self._lock:
            if status in {200, 201}:
                self.asked[what] += 1
                return json.loads(content)
            is_late = status == 503 and time.monotonic() - began > LATE_SECONDS
            (self.late if is_late else self.failed).append(f"{what}: {status} {content[:200]!r}")
        return None


@contextmanager
def load_on(shop: Shop):
    """Some people on their tours for as long as the block lasts."""
    seller = shop.admin()
    product = shop.product(seller, "Upgraded lamp", quantity=1_000_000)["id"]
    people = [shop.sign_up("tourist") for _ in range(PEOPLE)]
    made = Load(shop.url, product, tokens=[person.token for person in people])
    with ThreadPoolExecutor(PEOPLE) as pool:
        tours = [pool.submit(made.tour, person) for person in people]
        try:
            yield made
        finally:
            made.over.set()
    for tour in tours:
        tour.result()
