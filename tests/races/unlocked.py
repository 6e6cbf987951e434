# SPDX-License-Identifier: Apache-2.0
"""Catalog as it would be without its lock: the negative control of the flash sale.

A test double that only the test starts; production code has no switch for it.
"""

import time
from collections.abc import Collection

from apiflask import APIFlask
from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog import app
from catalog.commands import reservations
from catalog.models import Stock
from common.batching import Batcher

LANES = 8
THOUGHT_SECONDS = 0.01


def look_at_stock(session: Session, product_ids: Collection[int]) -> dict[int, Stock]:
    """Read the stock as ``lock_stock`` does, but hold nothing.

    Between the look and the update lies a thought, as on a machine that has more to do: it gives
    the race its chance, and takes nothing from who has a lock.
    """
    query = select(Stock).where(Stock.product_id.in_(product_ids))
    found = {stock.product_id: stock for stock in session.scalars(query)}
    time.sleep(THOUGHT_SECONDS)
    return found


def create_app() -> APIFlask:
    """Every order decides by itself, as with many processes: a batch decides in one's memory."""
    reservations.lock_stock = look_at_stock
    made = app.create_app()
    database = made.extensions["database"]
    made.extensions["reservations"] = Batcher(
        "catalog_reserve",
        lambda asked: database.run(reservations.reserve_stock, asked),
        most=1,
        lanes=LANES,
    )
    return made
