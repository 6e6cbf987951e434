# SPDX-License-Identifier: Apache-2.0
"""Reads: they never write and never lock."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    collate,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.mysql import match
from sqlalchemy.dialects.mysql.pymysql import dialect
from sqlalchemy.orm import Session, contains_eager

from catalog.errors import AmbiguousName, ProductNotFound
from catalog.models import LedgerEntry, Price, Product, ShownProduct, Stock
from common.clock import utcnow
from common.db import rfc3339_of
from common.glances import Glance
from common.seeds.counting import counted
from common.statements import Statement

LARGEST_ID = 2**63 - 1
LONGEST_ID = len(str(LARGEST_ID))
LOWEST_PRICE_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which products, and in which order; *sort* is one of ``SORTS``."""

    words: tuple[str, ...] = ()
    seller_id: int | None = None
    seller_name: str | None = None
    mark: str | None = None
    min_price: int | None = None
    max_price: int | None = None
    in_stock: bool | None = None
    sort: str = "-created_at"

    def values(self) -> dict[str, Any]:
        """What is wanted, by the names of ``CONDITIONS``."""
        # Every word must begin one of the product's words.
        search = " ".join(f"+{word}*" for word in self.words) or None
        asked = {"search": search, **vars(self)}
        return {name: asked[name] for name in CONDITIONS if asked[name] is not None}


_products, _stock = Product.__table__.c, Stock.__table__.c
_SHOWN: dict[str, Any] = {
    **{name: _products[name] for name in ShownProduct._fields if name in _products},
    "available": _stock.on_hand - _stock.reserved,
    "stock_version": _stock.version,
    "created_at": rfc3339_of(_products.created_at),
    "updated_at": rfc3339_of(_products.updated_at),
}
# One column of JSON: the driver needs longer for sixteen columns than the database for the rows.
_ON_SALE: Select[Any] = (
    select(func.json_array(*(_SHOWN[name] for name in ShownProduct._fields)))
    .join_from(Product.__table__, Stock.__table__)
    .where(_products.is_listed)
)

TEXT: tuple[ColumnElement[Any], ...] = (
    _products.name,
    _products.description,
)

SORTS: dict[str, tuple[Any, bool]] = {
    # Ids are given in the order of creation, so the id is the time and needs no index of its own.
    "-created_at": (_products.id, True),
    "created_at": (_products.id, False),
    "price": (_products.price_minor, False),
    "-price": (_products.price_minor, True),
}

CONDITIONS: dict[str, ColumnElement[bool]] = {
    "search": match(*TEXT, against=bindparam("search")).in_boolean_mode(),
    "seller_id": _products.seller_id == bindparam("seller_id"),
    "seller_name": _products.seller_name == bindparam("seller_name"),
    "mark": _products.mark == bindparam("mark"),
    "min_price": _products.price_minor >= bindparam("min_price"),
    "max_price": _products.price_minor <= bindparam("max_price"),
    "in_stock": (_stock.on_hand > _stock.reserved) == bindparam("in_stock"),
}

INDEXES = {
    # What all products of a list have in common, and the indexes that have them by id and by price.
    "seller_id": ("ix_products_seller", "ix_products_seller_price"),
    "seller_name": ("ix_products_seller_name", "ix_products_seller_name_price"),
    "mark": ("ix_products_mark", "ix_products_mark_price"),
    "is_listed": ("ix_products_listed", "ix_products_price"),
}

_PAGES_BY = {
    # In the order in which they count, and each on its own: one statement would ask every shard.
    # As text that is made once, for any number of names: the driver writes a list of them as one.
    name: str(
        _ON_SALE.where(_products[name].op("IN")(bindparam("wanted"))).compile(dialect=dialect())
    )
    for name in ("id", "public_id", "sku")
}


def _listed() -> Select[Product]:
    return (
        select(Product)
        .join(Product.stock)
        .options(contains_eager(Product.stock))
        .where(Product.is_listed)
    )


def known_skus(session: Session, skus: Sequence[str]) -> set[str]:
    """Those of *skus* that some product has."""
    found = session.scalars(select(Product.sku).where(Product.sku.in_(skus)))
    return {sku for sku in found if sku is not None}


def product_by_ref(session: Session, ref: str) -> Product:
    """The product that a path names: digits are its id, else its public id, else its sku.

    Raises:
        ProductNotFound
    """
    product = _named(session, ref, _listed())
    if product is None:
        raise ProductNotFound
    return product


def shown_by_refs(glance: Glance, refs: Collection[str]) -> dict[str, ShownProduct]:
    """What pages show of the products that paths name; unknown ones are left out."""
    found: dict[str, ShownProduct] = {}
    names = {ref: dict(_names_in(ref)) for ref in refs}
    for column, statement in _PAGES_BY.items():
        wanted = {
            ref: columns[column]
            for ref, columns in names.items()
            if column in columns and ref not in found
        }
        if wanted:
            rows = glance.first_column(statement, [[*{*wanted.values()}]])
            shown = map(ShownProduct.of_json, rows)
            by_name = {getattr(product, column): product for product in shown}
            found |= {ref: by_name[name] for ref, name in wanted.items() if name in by_name}
    return found


def product_by_any_name(session: Session, ref: str | int, *, seller_id: int | None) -> Product:
    """The product that S3's clients mean, who may also say what it is called.

    Args:
        ref: As text it may be what the product is called; a number is only ever an id.
        seller_id: This seller's own products come before all others; None for no preference.

    Raises:
        ProductNotFound
        AmbiguousName: Several products are called so.
    """
    everybodys = _listed()
    shelves = [everybodys]
    if seller_id is not None:
        shelves.insert(0, everybodys.where(Product.seller_id == seller_id))
    for shelf in shelves:
        product = _named(session, str(ref), shelf)
        if product is None and isinstance(ref, str):
            product = _called(session, ref, shelf)
        if product is not None:
            return product
    raise ProductNotFound


def _named(session: Session, ref: str, among: Select[Product]) -> Product | None:
    found = (
        session.scalar(among.where(_products[name] == wanted)) for name, wanted in _names_in(ref)
    )
    return next((product for product in found if product is not None), None)


def _names_in(ref: str) -> list[tuple[str, str | int]]:
    """The columns in which *ref* may stand, in the order in which they count, and as what."""
    if ref.isascii() and ref.isdigit():
        number = _id_in(ref)
        return [("id", number)] if number is not None else []
    # As both databases compare text: blanks at its end count for nothing.
    word = ref.rstrip(" ")
    return [("public_id", word), ("sku", word)] if ref.isascii() else []


def _id_in(ref: str) -> int | None:
    """The id that digits spell, None for one that no product can have."""
    # By its length first: Python refuses to read numbers of thousands of digits.
    return int(ref) if len(ref) <= LONGEST_ID and int(ref) <= LARGEST_ID else None


def _called(session: Session, name: str, among: Select[Product]) -> Product | None:
    # The index finds what any collation takes for the same name; then every character counts.
    same = (Product.name == name, collate(Product.name, "utf8mb4_bin") == name)
    found = session.scalars(among.where(*same).limit(2)).all()
    if len(found) > 1:
        raise AmbiguousName
    return found[0] if found else None


def products_by_ref(session: Session, refs: Sequence[str]) -> dict[str, Product]:
    """Many products by the names that a client gave them; unknown names are left out."""
    plain = [ref for ref in refs if ref.isascii()]
    ids = [number for ref in plain if ref.isdigit() and (number := _id_in(ref)) is not None]
    words = [ref for ref in plain if not ref.isdigit()]
    # Each kind of name on its own: one statement for all of them would ask every shard.
    names = [Product.id.in_(ids)] if ids else []
    names += [Product.public_id.in_(words), Product.sku.in_(words)] if words else []
    found = [product for name in names for product in session.scalars(_listed().where(name))]
    by_name: dict[str | None, Product] = {product.sku: product for product in found}
    by_name |= {product.public_id: product for product in found}
    by_id = {product.id: product for product in found}
    named = {
        ref: by_id.get(_id_in(ref) or 0) if ref.isdigit() else by_name.get(ref) for ref in plain
    }
    return {ref: product for ref, product in named.items() if product is not None}


def list_products(
    connection: Connection, *, filters: Filters, limit: int, after: list[Any] | None
) -> list[ShownProduct]:
    """One page of products, one more than *limit* where there are more.

    Args:
        after: The sort keys of the last product of the page before.
    """
    values = filters.values()
    page = _page(frozenset(values), filters.sort, goes_on=after is not None)
    behind = {f"after_{number}": key for number, key in enumerate(after or ())}
    rows = page.column(connection, limit=limit + 1, **values, **behind)
    return [ShownProduct.of_json(row) for row in rows]


@cache
def _page(wanted: frozenset[str], sort: str, *, goes_on: bool) -> Statement:
    """The statement of all lists that want these ``CONDITIONS``."""
    column, descending = SORTS[sort]
    keys = [column] if column is _products.id else [column, _products.id]
    query = _ON_SALE.where(*(CONDITIONS[name] for name in CONDITIONS if name in wanted))
    if index := _index_in_order(wanted, sort):
        # And no beginning at the stock, which would sort all there is for one page.
        hint = f"FORCE INDEX ({index})"
        query = query.with_hint(Product.__table__, hint).prefix_with("STRAIGHT_JOIN")
    if goes_on:
        after: list[Any] = [bindparam(f"after_{number}") for number in range(len(keys))]
        query = query.where(_behind(keys, after, descending=descending))
    order = [key.desc() if descending else key.asc() for key in keys]
    return Statement(query.order_by(*order).limit(bindparam("limit")))


def _index_in_order(wanted: Collection[str], sort: str) -> str | None:
    """The index that has what is wanted in its order; None where none has.

    It is named because MariaDB likes to enter an index by its first column alone, and then reads
    all products that come before the page.
    """
    by_price = SORTS[sort][0] is _products.price_minor
    has_prices = "min_price" in wanted or "max_price" in wanted
    if "search" in wanted or (has_prices and not by_price):
        return None
    common = (name for name in INDEXES if name in wanted)
    return INDEXES[next(common, "is_listed")][by_price]


def _behind(keys: Sequence[Any], after: Sequence[Any], *, descending: bool) -> ColumnElement[bool]:
    """What comes behind the row with the keys *after*, in words that find it in an index.

    Neither database looks for ``(price, id) < (…)`` there: it reads all that comes before.
    """
    first, *others = keys
    beyond: ColumnElement[bool] = first < after[0] if descending else first > after[0]
    if not others:
        return beyond
    return or_(beyond, and_(first == after[0], _behind(others, after[1:], descending=descending)))


def page_of_products(
    session: Session, *, offset: int, limit: int, seller_id: int | None = None
) -> tuple[list[ShownProduct], int | None]:
    """Products by ascending id, one more than *limit* where there are more, and their number.

    A client that counts pages sees no jumps: what is new comes at the end.
    """
    ids = select(_products.id).where(_products.is_listed)
    if seller_id is not None:
        ids = ids.where(_products.seller_id == seller_id)
    # What is skipped is skipped in the index; only the page itself is read from the tables.
    page = ids.order_by(_products.id).offset(offset).limit(limit + 1).subquery()
    rows = session.scalars(_ON_SALE.join(page, page.c.id == _products.id).order_by(_products.id))
    return [ShownProduct.of_json(row) for row in rows], counted(session, ids)


def position_of(product: ShownProduct, sort: str) -> list[Any]:
    """The sort keys of *product*, for the cursor behind it."""
    return [product.id] if SORTS[sort][0] is _products.id else [product.price_minor, product.id]


def ledger_of(
    session: Session, *, product_id: int, limit: int, before: int | None
) -> Sequence[LedgerEntry]:
    """A product's stock changes, newest first, one more than *limit* where there are more."""
    query = (
        select(LedgerEntry)
        .with_hint(LedgerEntry, "FORCE INDEX (ix_stock_ledger_product)")
        .where(LedgerEntry.product_id == product_id)
    )
    if before is not None:
        query = query.where(LedgerEntry.id < before)
    return session.scalars(query.order_by(LedgerEntry.id.desc()).limit(limit + 1)).all()


def prices_of(session: Session, *, product_id: int, limit: int) -> Sequence[Price]:
    """What a product cost, newest first."""
    query = (
        select(Price)
        .where(Price.product_id == product_id)
        .order_by(Price.at.desc(), Price.id.desc())
        .limit(limit)
    )
    return session.scalars(query).all()


def lowest_price(session: Session, *, product_id: int, now: datetime | None = None) -> int | None:
    """The lowest price of the last thirty days, the one that was already in force then included."""
    since = (now or utcnow()) - timedelta(days=LOWEST_PRICE_DAYS)
    in_force = (
        select(func.max(Price.at)).where(Price.product_id == product_id, Price.at <= since)
    ).scalar_subquery()
    return session.scalar(
        select(func.min(Price.price_minor)).where(
            Price.product_id == product_id, Price.at >= func.coalesce(in_force, since)
        )
    )
