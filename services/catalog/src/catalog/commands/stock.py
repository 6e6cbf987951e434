# SPDX-License-Identifier: Apache-2.0
"""Units come onto the shelf and leave it; every change of ``on_hand`` goes through here."""

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from catalog import events
from catalog.errors import ProductNotFound, TooManyUnits
from catalog.locks import lock_stock
from catalog.models import LedgerEntry, OnSale, Product, Stock
from common import outbox
from common.clock import utcnow
from common.context import current_trace
from common.events import Envelope
from common.problems import Forbidden
from common.schemas import MOST_UNITS
from common.statements import Statement
from common.tokens import Identity

FIRST_STOCK = "initial stock"
"""The reason of a product's first units: notifier knows it, and tells of them with the product."""


def change_stock(
    session: Session,
    *,
    product_id: int,
    actor: Identity,
    delta: int | None = None,
    exactly: int | None = None,
    available: int | None = None,
    reason: str,
) -> Stock:
    """Add *delta* units (or take them away), or say how many there are.

    Args:
        exactly: So many are on hand, those promised to orders included.
        available: So many are left to sell, beside those promised to orders.

    Raises:
        ProductNotFound
        Forbidden: It is neither the actor's nor is the actor an admin.
        BelowReserved: Orders were promised more than what would be left.
        TooManyUnits

    Effects:
        Locks the stock. Appends ``StockChanged``, and ``StockLow`` where it falls to the threshold.
    """
    product = session.get(Product, product_id)
    if product is None or not product.is_listed:
        raise ProductNotFound
    if not actor.is_admin and product.seller_id != actor.user_id:
        raise Forbidden("Only its seller and admins may change a product's stock.")
    stock = lock_stock(session, [product_id])[product_id]
    before = stock.available
    if available is not None:
        exactly = stock.reserved + available
    on_hand = exactly if exactly is not None else stock.on_hand + (delta or 0)
    if on_hand > MOST_UNITS:
        raise TooManyUnits
    if on_hand != stock.on_hand:
        put_on_shelf(session, stock, delta=on_hand - stock.on_hand, reason=reason)
        warn_if_low(session, product, before=before, available=stock.available, stock=stock)
    return stock


def put_on_shelf(
    session: Session, stock: Stock, *, delta: int, reason: str, order_id: UUID | None = None
) -> None:
    """Change ``on_hand`` by *delta*, with its line in the ledger and its event.

    The caller holds the lock. ``reserved`` is the caller's to change, before this.
    """
    told, row = shelved(stock, delta=delta, reason=reason, order_id=order_id)
    outbox.append_all(session, [told])
    session.add(LedgerEntry(**row))


def shelved(
    stock: Stock, *, delta: int, reason: str, order_id: UUID | None = None
) -> tuple[Envelope, dict[str, Any]]:
    """Change ``on_hand`` by *delta*; the event to tell and the row for the ledger, both a must."""
    stock.correct(stock.on_hand + delta)
    told = Envelope.seal(
        events.stock_changed(stock, delta=delta, reason=reason), aggregate_version=stock.version
    )
    row = {
        "product_id": stock.product_id,
        "delta": delta,
        "on_hand": stock.on_hand,
        "reason": reason,
        "actor": current_trace().actor,
        "order_id": order_id,
        "event_id": told.id,
        "at": utcnow(),
    }
    return told, row


def warn_if_low(
    session: Session, product: OnSale, *, before: int, available: int, stock: Stock
) -> None:
    """Tell that stock is low, once per fall: not again while it stays below the threshold."""
    threshold = product.low_stock_at
    if threshold is not None and available <= threshold < before:
        low = events.stock_low(product, available=available, threshold=threshold)
        outbox.append(session, low, version=stock.version)


def products_by_id(session: Session, product_ids: list[int]) -> dict[int, Row[Any]]:
    """The listed ones of these products, with what was left of each a moment ago."""
    found = _for_sale().rows(session.connection(), product_ids=product_ids)
    return {product.id: product for product in found}


@cache
def _for_sale() -> Statement:
    columns = (Product.id, Product.sku, Product.name, Product.price_minor, Product.currency)
    available = (Stock.on_hand - Stock.reserved).label("available")
    among = Product.id.op("IN")(bindparam("product_ids"))
    query = select(*columns, Product.low_stock_at, available).join(Product.stock)
    return Statement(query.where(among, Product.is_listed))
