# SPDX-License-Identifier: Apache-2.0
"""The one place that locks stock: ascending, once per transaction (docs/locking.md)."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from catalog.errors import ProductNotFound
from catalog.models import Product, Reservation, Stock

# Made once: to make such a statement takes longer than the database needs to answer it.
_STOCK = (
    select(Stock)
    .where(Stock.product_id.in_(bindparam("product_ids", expanding=True)))
    .order_by(Stock.product_id)
    .with_for_update()
    .execution_options(populate_existing=True)
)
_RESERVATIONS = (
    select(Reservation)
    .where(Reservation.order_id.in_(bindparam("order_ids", expanding=True)))
    .order_by(Reservation.order_id)
    .with_for_update()
    .execution_options(populate_existing=True)
)


def lock_stock(session: Session, product_ids: Collection[int]) -> dict[int, Stock]:
    """Lock these products' stock in ascending order, so that no two orders wait for each other.

    What the session knew before is read again: a value from before the lock is worth nothing.
    """
    found = session.scalars(_STOCK, {"product_ids": list(product_ids)})
    return {stock.product_id: stock for stock in found}


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
    found = session.scalars(_RESERVATIONS, {"order_ids": list(order_ids)})
    return {reservation.order_id: reservation for reservation in found}


def lock_reservation(session: Session, order_id: UUID) -> Reservation | None:
    """Lock one order's reservation. Taken before its stock."""
    return lock_reservations(session, [order_id]).get(order_id)
