# SPDX-License-Identifier: Apache-2.0
"""The one place that locks stock: ascending, once per transaction (docs/locking.md)."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog.errors import ProductNotFound
from catalog.models import Product, Reservation, Stock


def lock_stock(session: Session, product_ids: Collection[int]) -> dict[int, Stock]:
    """Lock these products' stock in ascending order, so that no two orders wait for each other.

    What the session knew before is read again: a value from before the lock is worth nothing.
    """
    query = (
        select(Stock)
        .where(Stock.product_id.in_(product_ids))
        .order_by(Stock.product_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {stock.product_id: stock for stock in session.scalars(query)}


def lock_product(session: Session, product_id: int) -> Product:
    """Lock one product's text. Never taken after a stock lock.

    Raises:
        ProductNotFound: There is none, or it was deleted.
    """
    query = (
        select(Product)
        .where(Product.id == product_id, Product.is_listed)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    product = session.scalar(query)
    if product is None:
        raise ProductNotFound
    return product


def lock_reservations(session: Session, order_ids: Collection[UUID]) -> dict[UUID, Reservation]:
    """Lock these orders' reservations in ascending order. Taken before their stock."""
    query = (
        select(Reservation)
        .where(Reservation.order_id.in_(order_ids))
        .order_by(Reservation.order_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {reservation.order_id: reservation for reservation in session.scalars(query)}


def lock_reservation(session: Session, order_id: UUID) -> Reservation | None:
    """Lock one order's reservation. Taken before its stock."""
    return lock_reservations(session, [order_id]).get(order_id)
