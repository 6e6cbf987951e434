# SPDX-License-Identifier: Apache-2.0
"""Reads: they never write and never lock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Connection, bindparam, func, select
from sqlalchemy.orm import Session

from common import idempotency
from common.db import rfc3339_of
from common.idempotency import Key, Known
from common.statements import Statement
from orders.catalog import Product
from orders.errors import OrderNotFound
from orders.models import (
    Cart,
    CartItem,
    Customer,
    Order,
    OrderItem,
    ShownItem,
    ShownOrder,
)

LISTED = ("confirmed", "cancelled")


@dataclass(frozen=True, kw_only=True)
class CartContent:
    """A cart's lines in the order in which they came."""

    version: int
    lines: dict[int, int]

    def total(self, products: Mapping[int, Product]) -> int:
        """In minor units, of what is still for sale."""
        return sum(
            product.price * units
            for number, units in self.lines.items()
            if (product := products.get(number)) is not None and not product.deleted
        )


def cart_of(session: Session, customer_id: int) -> CartContent:
    """What a customer wants; who never wanted anything has an empty cart of version 0."""
    version = session.scalars(select(Cart.version).where(Cart.customer_id == customer_id))
    query = select(CartItem).where(CartItem.customer_id == customer_id)
    items = session.scalars(query.order_by(CartItem.added_at, CartItem.product_id))
    return CartContent(
        version=version.one_or_none() or 0,
        lines={item.product_id: item.quantity for item in items},
    )


def customer_by_id(session: Session, customer_id: int) -> Customer | None:
    """What we heard of a customer; auth may know one of whom we have not heard yet."""
    return session.get(Customer, customer_id)


def answer_for(session: Session, order_id: UUID) -> Known | None:
    """What the key that began an order stands for, None where it was given back since."""
    query = select(Order.customer_id, Order.idempotency_key).where(Order.id == order_id)
    begun = session.execute(query).one_or_none()
    if begun is None or begun.idempotency_key is None:
        return None
    known = idempotency.find(session, Key(owner_id=begun.customer_id, word=begun.idempotency_key))
    return known if known is not None and known.reference == order_id else None


def order_by_id(connection: Connection, order_id: UUID, *, customer_id: int | None) -> ShownOrder:
    """One order with its items; a pending or rejected one shows what was asked for.

    Args:
        customer_id: Whose it must be; None for an admin.

    Raises:
        OrderNotFound: There is none, or it is somebody else's.
    """
    one = _order(is_customers=customer_id is not None)
    found = one.rows(connection, id=order_id.bytes, customer_id=customer_id)
    if not found:
        raise OrderNotFound
    [(status, total, currency, placed_at, wanted)] = map(tuple, found)
    if placed_at is None:
        items = [ShownItem.asked_for(*line) for line in orjson.loads(wanted)]
    else:
        [items] = _items_of(connection, [order_id.hex.upper()]).values()
    return ShownOrder(str(order_id), status, total, currency, placed_at, items)


def list_orders(
    connection: Connection, *, customer_id: int | None, before: UUID | None, limit: int
) -> list[ShownOrder]:
    """Orders that stand or stood, newest first; None for everybody's."""
    page = _page(is_customers=customer_id is not None, goes_on=before is not None)
    found = page.column(
        connection,
        listed=LISTED,
        customer_id=customer_id,
        before=before and before.bytes,
        limit=limit,
    )
    rows = [orjson.loads(row) for row in found]
    items = _items_of(connection, [number for number, *_ in rows])
    return [ShownOrder._make([str(UUID(number)), *order, items[number]]) for number, *order in rows]


def _items_of(connection: Connection, numbers: Sequence[str]) -> dict[str, list[ShownItem]]:
    """The lines of orders that stand or stood, by their ids as ``HEX`` writes them."""
    items: dict[str, list[ShownItem]] = {number: [] for number in numbers}
    ids = [bytes.fromhex(number) for number in numbers]
    for row in _items().column(connection, ids=ids) if ids else ():
        number, *item = orjson.loads(row)
        items[number].append(ShownItem._make(item))
    return items


def _shown() -> tuple[ColumnElement[Any], ...]:
    order = Order.__table__.c
    return order.status, order.total_minor, order.currency, rfc3339_of(order.placed_at)


@cache
def _order(*, is_customers: bool) -> Statement:
    query = select(*_shown(), Order.wanted).where(Order.id == bindparam("id"))
    if is_customers:
        query = query.where(Order.customer_id == bindparam("customer_id"))
    return Statement(query)


@cache
def _page(*, is_customers: bool, goes_on: bool) -> Statement:
    is_listed = Order.status.op("IN")(bindparam("listed"))
    query = select(func.json_array(func.hex(Order.id), *_shown())).where(is_listed)
    if is_customers:
        query = query.where(Order.customer_id == bindparam("customer_id"))
    if goes_on:
        query = query.where(Order.id < bindparam("before"))
    return Statement(query.order_by(Order.id.desc()).limit(bindparam("limit")))


@cache
def _items() -> Statement:
    shown = (getattr(OrderItem, name) for name in ShownItem._fields)
    return Statement(
        select(func.json_array(func.hex(OrderItem.order_id), *shown))
        .where(OrderItem.order_id.op("IN")(bindparam("ids")))
        .order_by(OrderItem.order_id, OrderItem.product_id)
    )


def units_sold(session: Session, product_id: int) -> int:
    """How many units of a product stand in orders, the cancelled ones taken out.

    One index holds all that this reads. A counter would be one hot row for every order of a
    product that everybody wants; this costs the reader a little instead.
    """
    sold = OrderItem.product_id == product_id, OrderItem.is_sold
    return int(session.scalars(select(func.sum(OrderItem.quantity)).where(*sold)).one() or 0)
