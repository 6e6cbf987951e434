# SPDX-License-Identifier: Apache-2.0
"""A sale in our shop: orders, and the check that not one unit was oversold."""

import secrets
import time
from collections import Counter
from collections.abc import Collection, Sequence
from http import HTTPStatus

import pymysql
import requests

from benchmarks.ground import Ground
from benchmarks.load import Load, posts
from catalog.commands.imports import import_products
from catalog.commands.products import NewProduct
from common.amqp import BrokerUnavailable
from common.amqp.inspection import inspect
from common.db import Database
from common.testing import eventually
from souk_local.environments import OPERATOR
from souk_local.stack import Stack
from soukctl.checks.broker import TOPOLOGIES
from support.databases import as_root, schema_of

UNITS = 1_000_000
PUBLISHERS = ("auth", "catalog", "orders")
KEPT = (".stream", ".dead")
"""Queues that keep what is in them."""
PENDING = "EXISTS (SELECT 1 FROM orders.orders WHERE held_until IS NOT NULL)"
CANCEL = """
    UPDATE deliveries SET status = 'cancelled', due_at = NULL WHERE status = 'pending'
"""
MAILS = """
    SELECT EXISTS (SELECT 1 FROM notices WHERE fanned_out_at IS NULL)
    OR EXISTS (SELECT 1 FROM deliveries WHERE due_at IS NOT NULL)
"""
QUIET_SECONDS = 300
AT_ONCE = 500
BODY = '{"items": [{"product": PRODUCT, "quantity": 1}]}'


class Sale:
    """Products that are sold one unit at a time.

    Attributes:
        accepted: Orders that buyers were told of.
        refused: Answers 503, which make no order.
        odd: Everything else that buyers were told.
    """

    def __init__(self, ground: Ground, products: Sequence[int], *, url: str = "") -> None:
        self._stack = ground.stack
        self._products = products
        self._url = url or ground.shop.url
        self._tokens = [str(buyer.token) for buyer in ground.buyers()]
        self.accepted = 0
        self.refused = 0
        self.odd: Counter[str] = Counter()

    def round(self, name: str, clients: int) -> dict[str, float]:
        """A rush and the effects of all its events; the figure *name* is orders a second."""
        load = self.rush(clients)
        refused = load.odd.get("503", 0)
        return {
            name: load.rate,
            f"{name}: 503 among 100 answers": 100 * refused / max(1, load.good + refused),
            f"{name}: p50, ms": load.median_ms,
            f"{name}: p99, ms": load.p99_ms,
            f"{name}: s until the last event's effect": self.settle(),
        }

    def rush(self, clients: int) -> Load:
        """So many buyers in a closed loop, who have looked around before."""
        self._look_around()
        load = posts(
            self._url,
            "/v1/orders",
            body=BODY,
            products=self._products,
            tokens=self._tokens,
            clients=clients,
        )
        self.accepted += load.good
        self.refused += load.odd.get("503", 0)
        self.odd.update({what: count for what, count in load.odd.items() if what != "503"})
        return load

    def _look_around(self) -> None:
        # Whom nobody has seen for half a minute auth is asked about, by the first request of each.
        for token in self._tokens:
            requests.get(
                f"{self._url}/v1/cart", headers={"Authorization": f"Bearer {token}"}, timeout=30
            ).raise_for_status()

    def come_last(self) -> None:
        """Order behind all that the rush has left in line: when this ends, they have ended."""
        answer = requests.post(
            f"{self._url}/v1/orders",
            json={"items": [{"product": self._products[0], "quantity": 1}]},
            headers={
                "Authorization": f"Bearer {self._tokens[0]}",
                "Idempotency-Key": secrets.token_hex(16),
            },
            timeout=30,
        )
        self.accepted += answer.status_code == HTTPStatus.CREATED

    def settle(self) -> float:
        """Let every event have its effect; returns the seconds that it took after the rush.

        And take its mails back, of which hundreds are still to be written: whoever plays next would
        meet them, and to wait until all are sent takes longer than the rush.
        """
        seconds = wait_until_quiet(self._stack, self._products)
        take_mails_back(self._stack)
        return seconds

    def fault(self) -> str | None:
        """Why the sale does not count, or None: the stock check comes first."""
        left, least = self._stock()
        sold = units_sold(self._stack, self._products)
        gone = UNITS * len(self._products) - left
        if sold != gone or least < 0:
            return f"{sold} units sold, {gone} gone from the stock, the least left is {least}"
        if not self.accepted:
            return f"no order was accepted; {self.refused} answers 503"
        if sold < self.accepted:
            return f"{self.accepted} orders accepted, {sold} there"
        return ", ".join(f"{count} × {what}" for what, count in self.odd.items()) or None

    def _stock(self) -> tuple[int, int]:
        query = "SELECT SUM(on_hand - reserved), MIN(on_hand - reserved) FROM stock"
        with schema_of(self._stack, "catalog") as cursor:
            cursor.execute(f"{query} WHERE product_id IN %s", (tuple(self._products),))
            left, least = cursor.fetchone()
        return int(left), int(least)


def units_sold(stack: Stack, products: Sequence[int]) -> int:
    """Units of these products in all orders that stand."""
    query = (
        "SELECT COALESCE(SUM(quantity), 0) FROM order_items"
        " JOIN orders ON orders.id = order_id AND status = 'confirmed' WHERE product_id IN %s"
    )
    with schema_of(stack, "orders") as cursor:
        cursor.execute(query, (tuple(products),))
        (units,) = cursor.fetchone()
    return int(units)


def products(ground: Ground, count: int) -> list[int]:
    """So many new products with a million units each, as an import makes them."""
    environment = ground.stack.environments.service("catalog")
    database = Database(environment["DATABASE_URL"])
    name = f"sale-{time.monotonic_ns()}"
    new = [
        NewProduct(sku=f"{name}-{number}", name="Lamp", price=1250, quantity=UNITS)
        for number in range(count)
    ]
    for first in range(0, count, AT_ONCE):
        database.run(
            import_products,
            new=new[first : first + AT_ONCE],
            seller_id=1,
            seller_name="admin",
            currency=environment["CURRENCY"],
        )
    database.engine.dispose()
    with schema_of(ground.stack, "catalog") as cursor:
        cursor.execute("SELECT id FROM products WHERE sku LIKE %s", (f"{name}-%",))
        made = [int(product_id) for (product_id,) in cursor.fetchall()]
    wait_until_quiet(ground.stack, made)
    return made


def wait_until_settled(stack: Stack) -> None:
    """Wait until no order is pending: a load client that stops leaves some on their way."""

    def is_settled() -> bool:
        with as_root(stack.environments.mariadb) as cursor:
            cursor.execute(f"SELECT {PENDING}")
            (is_pending,) = cursor.fetchone()
        return not is_pending

    eventually(is_settled, seconds=QUIET_SECONDS, what="the end of every order")


def wait_until_quiet(stack: Stack, sold: Collection[int]) -> float:
    """Wait until every event has had its effect, and what was ordered of *sold* has left the shelf.

    Returns:
        The seconds that this took.
    """
    began = time.monotonic()
    what = "the effect of every event"
    eventually(lambda: _is_quiet(stack, sold), seconds=QUIET_SECONDS, what=what)
    return time.monotonic() - began


def take_mails_back(stack: Stack) -> None:
    """Cancel what notifier has not begun to send, and wait until nothing is to be sent."""

    def are_gone() -> bool:
        with as_root(stack.environments.mariadb, "notifier") as cursor:
            try:
                cursor.execute(CANCEL)
            except pymysql.err.OperationalError:  # a deadlock with who claims them
                return False
            cursor.execute(MAILS)
            (are_there,) = cursor.fetchone()
        return not are_there

    eventually(are_gone, seconds=QUIET_SECONDS, what="the end of all mails")


def _is_quiet(stack: Stack, sold: Collection[int]) -> bool:
    waiting = " OR ".join(f"EXISTS (SELECT 1 FROM {name}.outbox_messages)" for name in PUBLISHERS)
    with as_root(stack.environments.mariadb) as cursor:
        cursor.execute(
            f"SELECT {waiting} OR {PENDING} OR EXISTS (SELECT 1 FROM catalog.stock"
            " WHERE reserved <> 0 AND product_id IN %s)",
            (tuple(sold),),
        )
        (is_busy,) = cursor.fetchone()
    if is_busy:
        return False
    try:
        states = inspect(stack.environments.rabbitmq.url(OPERATOR), TOPOLOGIES)
    except BrokerUnavailable:  # killed by a benchmark
        return False
    return not any(state.messages for state in states if not state.name.endswith(KEPT))
