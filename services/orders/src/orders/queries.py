# SPDX-License-Identifier: Apache-2.0
"""Reads: they never write and never lock."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from common import idempotency
from common.idempotency import Key, Known
from orders.catalog import Product
from orders.errors import OrderNotFound
from orders.models import Cart, CartItem, Customer, Order, OrderItem

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


def order_by_id(session: Session, order_id: UUID, *, customer_id: int | None) -> Order:
    """One order with its items.

    Args:
        customer_id: Whose it must be; None for an admin.

    Raises:
        OrderNotFound: There is none, or it is somebody else's.
    """
    query = select(Order).where(Order.id == order_id).options(selectinload(Order.items))
    if customer_id is not None:
        query = query.where(Order.customer_id == customer_id)
    order = session.scalars(query).one_or_none()
    if order is None:
        raise OrderNotFound
    return order


def list_orders(
    session: Session, *, customer_id: int | None, before: UUID | None, limit: int
) -> list[Order]:
    """Orders that stand or stood, newest first; None for everybody's."""
    query = select(Order).where(Order.status.in_(LISTED)).options(selectinload(Order.items))
    if customer_id is not None:
        query = query.where(Order.customer_id == customer_id)
    if before is not None:
        query = query.where(Order.id < before)
    return list(session.scalars(query.order_by(Order.id.desc()).limit(limit)))


def units_sold(session: Session, product_id: int) -> int:
    """How many units of a product stand in orders, the cancelled ones taken out.

    One index holds all that this reads. A counter would be one hot row for every order of a
    product that everybody wants; this costs the reader a little instead.
    """
    sold = OrderItem.product_id == product_id, OrderItem.is_sold
    return int(session.scalars(select(func.sum(OrderItem.quantity)).where(*sold)).one() or 0)
