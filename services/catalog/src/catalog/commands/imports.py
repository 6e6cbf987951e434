# SPDX-License-Identifier: Apache-2.0
"""Many products come at once: the same rows and events as one by one, in few statements."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from catalog import events
from catalog.commands.products import NewProduct, price_row, product_row
from catalog.commands.stock import FIRST_STOCK, shelved
from catalog.models import LedgerEntry, Price, Product, Stock
from catalog.queries import known_skus
from common import outbox
from common.events import Envelope


def import_products(
    session: Session,
    *,
    new: Sequence[NewProduct],
    seller_id: int,
    seller_name: str,
    currency: str,
) -> int:
    """Put products up for sale, but those whose sku is there already; returns how many came.

    So whoever was interrupted imports the same again.

    Args:
        new: Each with a sku, no two with the same.

    Effects:
        Appends ``ProductCreated``, and ``StockChanged`` where there are units, for each.
    """
    known = known_skus(session, [one.sku for one in new if one.sku])
    units = {one.sku: one.quantity for one in new if one.sku not in known}
    rows = [
        product_row(one, seller_id=seller_id, seller_name=seller_name, currency=currency)
        for one in new
        if one.sku in units
    ]
    if not rows:
        return 0
    products = _insert(session, rows)
    session.execute(insert(Price), [price_row(product) for product in products])
    told: list[Envelope] = []
    ledger: list[dict[str, Any]] = []
    for product in products:
        stock = Stock(product_id=product.id, on_hand=0, reserved=0, version=1)
        session.add(stock)
        told.append(Envelope.seal(events.created(product), aggregate_version=product.version))
        if quantity := units[product.sku]:
            event, row = shelved(stock, delta=quantity, reason=FIRST_STOCK)
            told.append(event)
            ledger.append(row)
    if ledger:
        session.execute(insert(LedgerEntry), ledger)
    outbox.append_all(session, told)
    return len(products)


def _insert(session: Session, rows: Sequence[dict[str, Any]]) -> Sequence[Product]:
    """Insert in one statement and read back with ids: MySQL returns only the first of them."""
    session.execute(insert(Product), rows)
    names = [row["public_id"] for row in rows]
    query = select(Product).where(Product.public_id.in_(names)).order_by(Product.id)
    return session.scalars(query).all()
