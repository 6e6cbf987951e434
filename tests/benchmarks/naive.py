# SPDX-License-Identifier: Apache-2.0
"""What P7 compares catalog's page with: a greeting, and a page as one writes it at first."""

import os
from datetime import datetime
from decimal import Decimal
from typing import Any

from flask import Flask, abort, jsonify
from sqlalchemy import ForeignKey, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship


class Base(DeclarativeBase):
    """The columns that the page shows."""


class Product(Base):
    __tablename__ = "products"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str]
    sku: Mapped[str | None]
    name: Mapped[str]
    description: Mapped[str | None]
    mark: Mapped[str | None]
    price_minor: Mapped[int]
    currency: Mapped[str]
    low_stock_at: Mapped[int | None]
    seller_id: Mapped[int]
    seller_name: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    stock: Mapped["Stock"] = relationship()


class Stock(Base):
    __tablename__ = "stock"

    product_id: Mapped[int] = mapped_column(ForeignKey(Product.id), primary_key=True)
    on_hand: Mapped[int]
    reserved: Mapped[int]


def create_app() -> Flask:
    app = Flask(__name__)
    engine = create_engine(os.environ["DATABASE_URL"], pool_size=8, max_overflow=0)

    @app.get("/hello")
    def get_hello() -> Any:
        return jsonify({"hello": "world"})

    @app.get("/v1/products/<int:product_id>")
    def get_product(product_id: int) -> Any:
        with Session(engine) as session:
            product = session.get(Product, product_id)
            if product is None:
                abort(404)
            return jsonify(_shown(product))

    return app


def _shown(product: Product) -> dict[str, Any]:
    return {
        "id": product.id,
        "public_id": product.public_id,
        "sku": product.sku,
        "name": product.name,
        "description": product.description,
        "price": str(Decimal(product.price_minor) / 100),
        "currency": product.currency,
        "mark": product.mark,
        "available": product.stock.on_hand - product.stock.reserved,
        "low_stock_at": product.low_stock_at,
        "seller": {"id": product.seller_id, "username": product.seller_name},
        "created_at": product.created_at.isoformat(),
        "updated_at": product.updated_at.isoformat(),
    }
