# SPDX-License-Identifier: Apache-2.0
"""Stock is locked, but what is written was computed from what was read before the lock."""

from sqlalchemy import select

from catalog.commands import reservations
from catalog.models import Stock

look_at_products = reservations.products_by_id


def look_at_stock_too(session, product_ids):
    query = select(Stock).where(Stock.product_id.in_(product_ids))
    session.info["read"] = session.scalars(query).all()
    return look_at_products(session, product_ids)


def lock_and_believe(session, product_ids):
    query = select(Stock).where(Stock.product_id.in_(product_ids))
    locked = query.order_by(Stock.product_id).with_for_update()
    # What the session has read before stays as it was.
    return {stock.product_id: stock for stock in session.scalars(locked)}


def write_numbers(session, held):
    for product_id, units in held.items():
        session.get(Stock, product_id).reserved += units


reservations.products_by_id = look_at_stock_too
reservations.lock_stock = lock_and_believe
reservations._hold = write_numbers
