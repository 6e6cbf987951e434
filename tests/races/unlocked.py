# SPDX-License-Identifier: Apache-2.0
"""Catalog as it would be without its lock: the negative control of the flash sale.

A test double that only the test starts; production code has no switch for it.
"""

from collections.abc import Collection

from apiflask import APIFlask
from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog import app
from catalog.commands import reservations
from catalog.models import Stock


def look_at_stock(session: Session, product_ids: Collection[int]) -> dict[int, Stock]:
    """Read the stock as ``lock_stock`` does, but hold nothing."""
    query = select(Stock).where(Stock.product_id.in_(product_ids))
    return {stock.product_id: stock for stock in session.scalars(query)}


def create_app() -> APIFlask:
    reservations.lock_stock = look_at_stock
    return app.create_app()
