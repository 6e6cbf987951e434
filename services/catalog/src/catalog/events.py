# SPDX-License-Identifier: Apache-2.0
"""What catalog tells the world, made from its rows."""

from typing import Any

from catalog.models import OnSale, Product, Stock, plain
from common.contracts import (
    Change,
    ProductChanged,
    ProductCreated,
    ProductDeleted,
    ProductPriceChanged,
    StockChanged,
    StockLow,
)


def _about(product: Product) -> dict[str, Any]:
    return {
        "product_id": product.id,
        "sku": product.sku,
        "name": product.name,
        "seller_id": product.seller_id,
    }


def created(product: Product) -> ProductCreated:
    changes = {name: Change(old=None, new=value) for name, value in plain(product).items()}
    return ProductCreated(**_about(product), changes=changes)


def changed(product: Product, changes: dict[str, Change]) -> ProductChanged:
    return ProductChanged(**_about(product), changes=changes)


def deleted(product: Product, last: dict[str, Any]) -> ProductDeleted:
    changes = {name: Change(old=value, new=None) for name, value in last.items()}
    return ProductDeleted(**_about(product) | {"sku": last["sku"]}, changes=changes)


def price_changed(product: Product, *, old_price: int) -> ProductPriceChanged:
    return ProductPriceChanged(
        **_about(product),
        old_price=old_price,
        new_price=product.price_minor,
        currency=product.currency,
    )


def stock_changed(stock: Stock, *, delta: int, reason: str) -> StockChanged:
    return StockChanged(
        product_id=stock.product_id,
        delta=delta,
        reason=reason,
        on_hand=stock.on_hand,
        available=stock.available,
    )


def stock_low(product: OnSale, *, available: int, threshold: int) -> StockLow:
    return StockLow(
        product_id=product.id,
        sku=product.sku,
        name=product.name,
        available=available,
        threshold=threshold,
    )
