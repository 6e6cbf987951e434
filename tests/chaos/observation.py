# SPDX-License-Identifier: Apache-2.0
"""What the shop knows, read where it is stored: to be compared with what clients were told."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from pathlib import Path
from uuid import UUID

from souk_local.environments import ADMIN_USERNAME
from souk_local.keyring import SERVICES
from souk_local.stack import Stack
from soukctl.audit import ask
from support.databases import schema_of

VIEW_BITS = (1 << 62) - 1
"""So many bits of a request's id are in the id of its view."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What a run began with.

    Attributes:
        units: Of each product, when it was put up for sale.
        prices: Of each product at that time, in cents.
        customers: Whose orders count; nobody else orders.
        admins: The addresses of those who must hear of new prices.
        began_at: By the wall clock.
    """

    units: Mapping[int, int]
    prices: Mapping[int, int]
    customers: tuple[int, ...]
    admins: tuple[str, ...]
    began_at: float


@dataclass(frozen=True, kw_only=True)
class StoredOrder:
    customer: int
    key: str
    status: str
    total: int
    lines: Mapping[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Observation:
    """The shop's side of a run.

    Attributes:
        stock: ``on_hand`` and ``reserved`` of each product.
        ledger: Each order's changes of each product, oldest first.
        orders: By id, with units and cents of each product. The rejected ones are not here.
        sales: In analytics: of each order its products' units, cents and status.
        new_prices: Product, cents and event of each price change that was told.
        mails: Of each admin, how many mails name an event.
        views: How often each view is kept, by what its id has of its request's id.
        broken: The audit's violations.
    """

    stock: Mapping[int, tuple[int, int]]
    ledger: Mapping[tuple[str, int], list[int]]
    orders: Mapping[str, StoredOrder]
    sales: Mapping[str, list[tuple[int, int, int, str]]]
    new_prices: tuple[tuple[int, int, str], ...]
    mails: Mapping[str, Counter[str]]
    views: Counter[int]
    broken: tuple[str, ...] = ()


def view_key(request_id: str) -> int:
    """What the id of a view has of its request's id."""
    return int(request_id, 16) & VIEW_BITS


def observe(stack: Stack, stage: Stage) -> Observation:
    """Read everything that concerns the run on *stage*."""
    stock, ledger = _shelves(stack, stage)
    sales, views, new_prices = _numbers(stack, stage)
    return Observation(
        stock=stock,
        ledger=ledger,
        orders=_orders(stack, stage),
        sales=sales,
        new_prices=new_prices,
        mails=_mails(stack.directory / "mail", stage),
        views=views,
        broken=_broken(stack),
    )


def is_quiet(stack: Stack) -> bool:
    """Whether nothing is on its way any more, as far as the databases know."""
    with schema_of(stack, "orders") as cursor:
        pending = _count(cursor, "SELECT COUNT(*) FROM orders WHERE status = 'pending'")
        for service in SERVICES:
            if service in {"auth", "catalog", "orders"}:
                pending += _count(cursor, f"SELECT COUNT(*) FROM {service}.outbox_messages")
        pending += _count(
            cursor, "SELECT COUNT(*) FROM catalog.reservations WHERE status = 'reserved'"
        )
    return pending == 0


def _count(cursor, query: str) -> int:
    cursor.execute(query)
    return cursor.fetchone()[0]


def _shelves(stack: Stack, stage: Stage):
    products = tuple(stage.units)
    ledger = defaultdict(list)
    with schema_of(stack, "catalog") as cursor:
        cursor.execute(
            "SELECT product_id, on_hand, reserved FROM stock WHERE product_id IN %s", (products,)
        )
        stock = {product: (on_hand, reserved) for product, on_hand, reserved in cursor}
        cursor.execute(
            "SELECT order_id, product_id, delta FROM stock_ledger"
            " WHERE product_id IN %s AND order_id IS NOT NULL ORDER BY id",
            (products,),
        )
        for order_id, product, delta in cursor:
            ledger[_uuid(order_id), product].append(delta)
    return stock, ledger


def _orders(stack: Stack, stage: Stage) -> dict[str, StoredOrder]:
    with schema_of(stack, "orders") as cursor:
        cursor.execute(
            "SELECT order_id, product_id, quantity, unit_price_minor FROM order_items"
            " WHERE customer_id IN %s",
            (stage.customers,),
        )
        lines = defaultdict(dict)
        for order_id, product, units, price in cursor:
            lines[_uuid(order_id)][product] = (units, price)
        cursor.execute(
            "SELECT id, customer_id, idempotency_key, status, total_minor FROM orders"
            " WHERE status <> 'rejected' AND customer_id IN %s",
            (stage.customers,),
        )
        return {
            _uuid(order_id): StoredOrder(
                customer=customer, key=key, status=status, total=total, lines=lines[_uuid(order_id)]
            )
            for order_id, customer, key, status, total in cursor
        }


def _numbers(stack: Stack, stage: Stage):
    products = tuple(stage.units)
    with schema_of(stack, "analytics") as cursor:
        cursor.execute(
            "SELECT order_id, product_id, quantity, unit_price, status FROM sales"
            " WHERE product_id IN %s ORDER BY order_id, product_id",
            (products,),
        )
        sales = defaultdict(list)
        for order_id, *line in cursor:
            sales[order_id].append(tuple(line))
        cursor.execute("SELECT event_id FROM views WHERE product_id IN %s", (products,))
        views = Counter(int.from_bytes(row[0]) & VIEW_BITS for row in cursor)
        cursor.execute(
            "SELECT event_id, body FROM event_log"
            " WHERE type = 'ProductPriceChanged' AND subject IN %s",
            ([f"product/{product}" for product in products],),
        )
        told = [(_uuid(event_id), json.loads(body)["data"]) for event_id, body in cursor]
    new_prices = tuple((data["product_id"], data["new_price"], event) for event, data in told)
    return sales, views, new_prices


def _mails(folder: Path, stage: Stage) -> dict[str, Counter[str]]:
    parser = BytesHeaderParser()
    found = {address: Counter() for address in stage.admins}
    for path in _newer(folder.glob("*.eml"), stage.began_at):
        head = parser.parsebytes(path.read_bytes().partition(b"\r\n\r\n")[0])
        for address in stage.admins:
            if address in str(head["To"]):
                found[address].update(head.get_all("X-Souk-Event-Id", []))
    return found


def _newer(paths: Iterable[Path], moment: float) -> list[Path]:
    return [path for path in paths if path.stat().st_mtime >= moment]


def _broken(stack: Stack) -> tuple[str, ...]:
    checks = ask(stack.environments.gateway_url, ADMIN_USERNAME, stack.keyring.admin_password)
    return tuple(
        f"{check['name']}: {violation['subject']} {violation['detail']}"
        for check in checks
        for violation in check["violations"]
    )


def _uuid(raw: bytes) -> str:
    return str(UUID(bytes=bytes(raw)))
