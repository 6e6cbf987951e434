# SPDX-License-Identifier: Apache-2.0
"""Who is in the shop while it breaks: buyers, people with carts, an admin, and those who look."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from threading import Event

from chaos.browser import Browser, Reply

from support.history import FAIL, INFO, OK, History, Operation

CANCELS = 0.15
MOST_LINES = 3
MOST_UNITS = 2
ORDER_PAUSE = 0.15
CART_PAUSE = 0.3
VIEW_PAUSE = 0.08
PRICE_PAUSE = 1.2
"""Not more than fifty a minute: beyond 120 mails a minute an admin gets digests."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """One client, with chances of its own.

    Attributes:
        products: What it wants, looks at or changes.
        done: Set when it shall finish what it is doing and go.
    """

    browser: Browser
    user_id: int
    products: tuple[int, ...]
    chances: Random
    history: History
    done: Event

    def buys(self) -> None:
        """Order a few units of one to three products, again and again; take some orders back."""
        while not self.done.wait(ORDER_PAUSE):
            order = self.order(self._wanted(), has_cart=False)
            if order.outcome == OK and self.chances.random() < CANCELS:
                self._cancel(order.answer["id"])

    def fills_carts(self) -> None:
        """Put something into the cart and order the cart, again and again."""
        while not self.done.wait(CART_PAUSE):
            lines = self._wanted()
            if all(self._put(product, units) for product, units in lines.items()):
                self.order(lines, has_cart=True)
            # What was refused is still there.
            self.browser.insist("DELETE", "/v1/cart")

    def looks(self) -> None:
        """Look at one product after the other; some looks know the last answer's tag."""
        tags: dict[int, str] = {}
        while not self.done.wait(VIEW_PAUSE):
            product = self.chances.choice(self.products)
            tag = tags.get(product) if self.chances.random() < 0.5 else None
            reply = self.look(product, {"If_None_Match": tag} if tag else {})
            if reply is not None and reply.etag:
                tags[product] = reply.etag

    def changes_prices(self, first: int) -> None:
        """Give products prices that no product ever had, counted in cents from *first*."""
        price = first
        while not self.done.wait(PRICE_PAUSE):
            price += 1
            product = self.chances.choice(self.products)
            wish = {"product": product, "price": price}
            body = {"price": f"{price // 100}.{price % 100:02}"}
            self._insist("price", wish, "PATCH", f"/v1/products/{product}", body)

    def order(self, lines: Mapping[int, int], *, has_cart: bool) -> Operation:
        """Order these lines, which may lie in the cart, under a key of their own."""
        key = secrets.token_hex(12)
        wish = {"key": key, "customer": self.user_id, "lines": dict(lines)}
        items = [{"product": product, "quantity": units} for product, units in lines.items()]
        body = {} if has_cart else {"items": items}
        return self._insist("order", wish, "POST", "/v1/orders", body, Idempotency_Key=key)

    def _cancel(self, order_id: str) -> None:
        self._insist("cancel", {"id": order_id}, "POST", f"/v1/orders/{order_id}/cancel")

    def _put(self, product: int, units: int) -> bool:
        reply, _ = self.browser.insist("PUT", f"/v1/cart/items/{product}", {"quantity": units})
        return reply is not None and reply.status == 200

    def look(self, product: int, headers: Mapping[str, str]) -> Reply | None:
        """Look at a product's page, once; every look is in the history, for it is a view."""
        began_at = time.time()
        reply = self.browser.ask("GET", f"/v1/products/{product}", **headers)
        wish = {"product": product}
        if reply is None or not reply.is_verdict:
            self.history.add("view", wish, INFO, {}, began_at=began_at)
        elif reply.status in {200, 304}:
            answer = {"request_id": reply.request_id}
            if reply.status == 200:
                answer["available"] = reply.body["available"]
            self.history.add("view", wish, OK, answer, began_at=began_at)
        else:
            self.history.add("view", wish, FAIL, _no(reply), began_at=began_at)
        return reply

    def _insist(
        self, kind: str, wish: Mapping, method: str, path: str, body: object = None, **headers: str
    ) -> Operation:
        began_at = time.time()
        reply, tries = self.browser.insist(method, path, body, **headers)
        if reply is None:
            outcome, answer = INFO, {}
        elif reply.status in {200, 201}:
            outcome, answer = OK, _yes(kind, reply)
        else:
            outcome, answer = FAIL, _no(reply)
        return self.history.add(kind, wish, outcome, answer, began_at=began_at, tries=tries)

    def _wanted(self) -> dict[int, int]:
        count = self.chances.randint(1, min(MOST_LINES, len(self.products)))
        return {
            product: self.chances.randint(1, MOST_UNITS)
            for product in self.chances.sample(self.products, count)
        }


def cents(money: str) -> int:
    return int(Decimal(money) * 100)


def _yes(kind: str, reply: Reply) -> dict:
    if kind != "order":
        return {"status": reply.body.get("status"), "price": reply.body.get("price")}
    lines = {
        line["product_id"]: (line["quantity"], cents(line["unit_price"]))
        for line in reply.body["items"]
    }
    return {"id": reply.body["id"], "lines": lines, "total": cents(reply.body["total"])}


def _no(reply: Reply) -> dict:
    return {"status": reply.status, "code": reply.code}
