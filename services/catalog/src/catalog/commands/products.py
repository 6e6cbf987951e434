# SPDX-License-Identifier: Apache-2.0
"""Products come, change, and go."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog import events
from catalog.commands.stock import FIRST_STOCK, change_stock, put_on_shelf
from catalog.errors import SkuTaken, StaleProduct
from catalog.locks import lock_product
from catalog.models import Price, Product, Stock, new_public_id, plain
from common import outbox
from common.clock import utcnow
from common.context import current_trace
from common.contracts import Change
from common.problems import Forbidden
from common.tokens import Identity


@dataclass(frozen=True, kw_only=True)
class NewProduct:
    """What a seller says of a product. *price* is in minor units."""

    name: str
    price: int
    sku: str | None = None
    description: str | None = None
    mark: str | None = None
    quantity: int = 0
    low_stock_at: int | None = None


def create_product(
    session: Session, *, new: NewProduct, seller_id: int, seller_name: str, currency: str
) -> Product:
    """Put a product up for sale, with its first units on the shelf.

    Raises:
        SkuTaken: Another product has this sku.

    Effects:
        Appends ``ProductCreated``, and ``StockChanged`` where there are units.
    """
    _refuse_taken_sku(session, new.sku)
    product = Product(
        **product_row(new, seller_id=seller_id, seller_name=seller_name, currency=currency)
    )
    session.add(product)
    session.flush()
    product.stock = Stock(product_id=product.id, on_hand=0, reserved=0, version=1)
    _record_price(session, product)
    session.flush()
    outbox.append(session, events.created(product), version=product.version)
    if new.quantity:
        put_on_shelf(session, product.stock, delta=new.quantity, reason=FIRST_STOCK)
    return product


def change_product(
    session: Session,
    *,
    product_id: int,
    changes: dict[str, Any],
    actor: Identity,
    if_version: int | None = None,
) -> Product:
    """Change a product's fields; what is already so is no change and tells nobody.

    Args:
        changes: New values by field name, as ``plain`` names them; ``price`` in minor units.
        if_version: Only if the product still has this version.

    Raises:
        ProductNotFound, SkuTaken, StaleProduct
        Forbidden: It is neither the actor's nor is the actor an admin.

    Effects:
        Locks the product. Appends ``ProductPriceChanged``, ``ProductChanged``, or both.
    """
    product = _own(lock_product(session, product_id), actor)
    product.stock = session.get_one(Stock, product_id)
    if if_version is not None and product.version != if_version:
        raise StaleProduct
    before = plain(product)
    different = {
        name: Change(old=before[name], new=value)
        for name, value in changes.items()
        if before[name] != value
    }
    if not different:
        return product
    if "sku" in different:
        _refuse_taken_sku(session, changes["sku"])
    _apply(session, product, different)
    return product


def change_product_and_stock(
    session: Session,
    *,
    product_id: int,
    changes: dict[str, Any],
    available: int | None,
    actor: Identity,
    if_version: int | None = None,
) -> Product:
    """Change a product's fields, and how many there are to sell: all of it or nothing.

    Args:
        available: Units left to sell, beside those promised to orders; None leaves them alone.

    Raises:
        Whatever ``change_product`` and ``change_stock`` raise.

    Effects:
        Theirs, in their order: the product is locked before its stock.
    """
    product = change_product(
        session, product_id=product_id, changes=changes, actor=actor, if_version=if_version
    )
    if available is not None:
        product.stock = change_stock(
            session, product_id=product_id, actor=actor, available=available, reason="corrected"
        )
    return product


def delete_product(session: Session, *, product_id: int, actor: Identity) -> None:
    """Take a product off sale. Orders keep their history, open reservations their units.

    Raises:
        ProductNotFound, Forbidden

    Effects:
        Locks the product. Its sku is free again. Appends ``ProductDeleted``.
    """
    product = _own(lock_product(session, product_id), actor)
    last = plain(product)
    product.is_listed = False
    product.sku = None
    product.version += 1
    product.updated_at = utcnow()
    outbox.append(session, events.deleted(product, last), version=product.version)


def _own(product: Product, actor: Identity) -> Product:
    if not actor.is_admin and product.seller_id != actor.user_id:
        raise Forbidden("Only its seller and admins may change a product.")
    return product


def _refuse_taken_sku(session: Session, sku: str | None) -> None:
    # The unique key decides in the end; this gives the loser of the race its sentence.
    if sku and session.scalar(select(Product.id).where(Product.sku == sku)):
        raise SkuTaken


def _apply(session: Session, product: Product, different: dict[str, Change]) -> None:
    for name, change in different.items():
        setattr(product, "price_minor" if name == "price" else name, change.new)
    product.version += 1
    product.updated_at = utcnow()
    price = different.pop("price", None)
    if price is not None:
        _record_price(session, product)
        told = events.price_changed(product, old_price=price.old)
        outbox.append(session, told, version=product.version)
    if different:
        outbox.append(session, events.changed(product, different), version=product.version)


def _record_price(session: Session, product: Product) -> None:
    session.add(Price(**price_row(product)))


def product_row(
    new: NewProduct, *, seller_id: int, seller_name: str, currency: str
) -> dict[str, Any]:
    """The row of a product that is new on sale."""
    now = utcnow()
    return {
        "public_id": new_public_id(),
        "sku": new.sku,
        "name": new.name,
        "description": new.description,
        "mark": new.mark,
        "price_minor": new.price,
        "currency": currency,
        "low_stock_at": new.low_stock_at,
        "seller_id": seller_id,
        "seller_name": seller_name,
        "version": 1,
        "is_listed": True,
        "created_at": now,
        "updated_at": now,
    }


def price_row(product: Product) -> dict[str, Any]:
    """The line in the history that says what *product* costs from now on."""
    return {
        "product_id": product.id,
        "price_minor": product.price_minor,
        "currency": product.currency,
        "actor": current_trace().actor,
        "at": product.updated_at,
    }
