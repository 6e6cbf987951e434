# SPDX-License-Identifier: Apache-2.0
"""A sale in our shop: orders through the gateway, and the check that nothing was oversold."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.ground import Ground
from benchmarks.load import Load, posts
from common.amqp.inspection import inspect
from common.testing import eventually
from souk_local.environments import OPERATOR
from souk_local.stack import Stack
from soukctl.checks.broker import TOPOLOGIES
from support.databases import schema_of

SERVICES = ("auth", "catalog", "orders", "notifier", "analytics")
WORKED_OFF = (".stream", ".dead")
"""Queues that keep what is in them."""
QUIET_SECONDS = 120


@dataclass
class Sale:
    """Products that are sold one unit at a time.

    Attributes:
        units: How many there were of each.
        accepted: Orders that buyers were told of.
        odd: What buyers were told beside 201, a line per round.
    """

    ground: Ground
    products: Sequence[int]
    units: int
    tokens: Sequence[str] = field(default=(), repr=False)
    accepted: int = 0
    odd: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tokens = [str(buyer.token) for buyer in self.ground.buyers()]

    def rush(self, clients: int, seconds: int = 3) -> Load:
        """One round of so many buyers."""
        load = posts(
            self.ground.shop.url,
            "/v1/orders",
            body='{"items": [{"product": PRODUCT, "quantity": 1}]}',
            products=self.products,
            tokens=self.tokens,
            clients=clients,
            seconds=seconds,
        )
        self.accepted += load.good
        if load.odd:
            self.odd.append(f"{load.odd} beside {load.good} × 201")
        return load

    def settle(self) -> float:
        """Let every event have its effect; returns the seconds that it took after the rush."""
        return wait_until_quiet(self.ground.stack)

    def fault(self) -> str | None:
        """The stock check: why the sale does not count, or None."""
        left, sold = self._left(), self._sold()
        gone = self.units * len(self.products) - left
        if sold != gone or min(left, 0) or self._worst() < 0:
            return f"{sold} units sold, {gone} gone from the stock, {left} left"
        if sold < self.accepted:
            return f"{self.accepted} orders accepted, {sold} there"
        return "; ".join(self.odd) or None

    def _left(self) -> int:
        return self._one("catalog", "SELECT SUM(on_hand - reserved) FROM stock WHERE product_id")

    def _worst(self) -> int:
        return self._one("catalog", "SELECT MIN(on_hand - reserved) FROM stock WHERE product_id")

    def _sold(self) -> int:
        return self._one(
            "orders",
            "SELECT COALESCE(SUM(quantity), 0) FROM order_items JOIN orders"
            " ON orders.id = order_items.order_id AND status = 'confirmed' WHERE product_id",
        )

    def _one(self, schema: str, query: str) -> int:
        with schema_of(self.ground.stack, schema) as cursor:
            cursor.execute(f"{query} IN %s", (tuple(self.products),))
            (number,) = cursor.fetchone()
        return int(number)


def wait_until_quiet(stack: Stack) -> float:
    """Wait until every event of the stack has had its effect; returns the seconds it took."""
    began = time.monotonic()
    eventually(lambda: _is_quiet(stack), seconds=QUIET_SECONDS, what="every event's effect")
    return time.monotonic() - began


def _is_quiet(stack: Stack) -> bool:
    for service in SERVICES:
        with schema_of(stack, service) as cursor:
            cursor.execute("SELECT EXISTS (SELECT 1 FROM outbox)")
            if cursor.fetchone()[0]:
                return False
    with schema_of(stack, "catalog") as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM stock WHERE reserved <> 0)")
        if cursor.fetchone()[0]:
            return False
    states = inspect(stack.environments.rabbitmq.url(OPERATOR), TOPOLOGIES)
    return not any(state.messages for state in states if not state.name.endswith(WORKED_OFF))
