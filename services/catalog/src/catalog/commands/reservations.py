# SPDX-License-Identifier: Apache-2.0
"""Reservations: the commit point of the stock. An order gets all its lines or none of them.

A reservation ends only by orders' word: sold, released or cancelled. No clock takes units away.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import case, update
from sqlalchemy.orm import Session

from catalog.commands.stock import products_by_id, put_on_shelf, warn_if_low
from catalog.errors import (
    InsufficientStock,
    OrderTooLarge,
    PriceChanged,
    ProductNotFound,
    ReservationConflict,
    ReservationMissing,
    ReservationReleased,
    refusal_from,
)
from catalog.locks import lock_reservation, lock_stock
from catalog.models import Product, Reservation, Stock
from common.clock import utcnow
from common.db import database_clock
from common.logs import get_logger
from common.money import to_text
from common.problems import Problem

log = get_logger(__name__)

LARGEST_TOTAL = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What an order wants.

    Attributes:
        lines: Units by product id, for example ``{42: 2}``; at least one line, every quantity > 0.
        prices: What the order expects a unit to cost, in minor units, where it expects anything.
        total: What it expects everything to cost, likewise.
    """

    lines: dict[int, int]
    prices: dict[int, int]
    total: int | None

    def text(self) -> str:
        """The same wish is the same text, however its lines were ordered."""
        wish = {"lines": sorted(self.lines.items()), "prices": sorted(self.prices.items())}
        return orjson.dumps(wish | {"total": self.total}).decode()


def reserve_stock(session: Session, *, order_id: UUID, wish: Wish) -> dict[str, Any] | Problem:
    """Hold every line for one order, or none of them.

    Asking again gives the same answer and holds nothing more, whether it was a yes or a no. The
    answer carries each line's name, sku and unit price as of this transaction.

    Returns:
        ``{"order_id", "status", "items", "total", "currency"}``, or the refusal: it is returned
        and not raised, because it is stored and must be committed.

    Raises:
        ReservationReleased: The order ended before this came.
        ReservationConflict: The order wished for something else before.

    Effects:
        Locks the stock rows in ascending order. Appends ``StockLow`` where one falls.

    Proved by services/catalog/tests/integration/test_reservation_races.py.
    """
    known = session.get(Reservation, order_id)
    if known is not None:
        return _stored_answer(known, wish)
    products = products_by_id(session, sorted(wish.lines))
    # Looked at first, then locked and looked at again: who comes for what is sold out waits for
    # nobody, and a refusal is as true at the moment of the look as it would be under the lock.
    refusal = _refusal(wish, products)
    if refusal is None:
        stock = lock_stock(session, wish.lines)
        refusal = _refusal(wish, products)
    if refusal is not None:
        _store(session, order_id, wish, "refused", _stored_refusal(refusal))
        return refusal
    _hold(session, wish, products, stock)
    answer = _answer(order_id, wish, products)
    _store(session, order_id, wish, "reserved", answer)
    return answer


def sell_reservation(session: Session, *, order_id: UUID) -> None:
    """The order stands: its units leave the shelf. Again, or after its cancellation: nothing.

    Raises:
        ReservationMissing: Nothing was ever reserved for it, or it was given back.

    Effects:
        Locks the reservation, then its stock. Appends ``StockChanged`` for each product.
    """
    reservation = lock_reservation(session, order_id)
    match reservation:
        case Reservation(status="reserved"):
            for stock, units in _lines(session, reservation):
                stock.reserved -= units
                put_on_shelf(session, stock, delta=-units, reason="sold", order_id=order_id)
            _settle(reservation, "sold")
        case Reservation(status="sold" | "cancelled"):
            return
        case _:
            raise ReservationMissing(str(order_id))


def release_reservation(session: Session, *, order_id: UUID) -> None:
    """The order was rejected: what it held is free. Before the reservation: a tombstone stops it.

    Raises:
        ReservationMissing: It was sold already; a rejected order can't have been.
    """
    reservation = lock_reservation(session, order_id)
    match reservation:
        case None:
            session.add(_tombstone(order_id, "released"))
        case Reservation(status="reserved"):
            for stock, units in _lines(session, reservation):
                stock.reserved -= units
                stock.version += 1
            _settle(reservation, "released")
        case Reservation(status="sold" | "cancelled"):
            raise ReservationMissing(f"{order_id} was {reservation.status} before its rejection")


def cancel_reservation(session: Session, *, order_id: UUID) -> None:
    """A placed order was cancelled: its units go back exactly once.

    The word that it was placed may still be on its way; then its units are only held, and set free.

    Effects:
        Locks the reservation, then its stock. Appends ``StockChanged`` where units come back.
    """
    reservation = lock_reservation(session, order_id)
    match reservation:
        case None:
            session.add(_tombstone(order_id, "cancelled"))
        case Reservation(status="reserved"):
            for stock, units in _lines(session, reservation):
                stock.reserved -= units
                stock.version += 1
            _settle(reservation, "cancelled")
        case Reservation(status="sold"):
            for stock, units in _lines(session, reservation):
                put_on_shelf(session, stock, delta=units, reason="cancelled", order_id=order_id)
            _settle(reservation, "cancelled")


def _stored_answer(known: Reservation, wish: Wish) -> dict[str, Any] | Problem:
    if known.wish is None or known.status in {"released", "cancelled"}:
        raise ReservationReleased
    if known.wish != wish.text():
        raise ReservationConflict
    answer: dict[str, Any] = orjson.loads(known.answer or "{}")
    return refusal_from(answer) if known.status == "refused" else answer


def _refusal(wish: Wish, products: dict[int, Product]) -> Problem | None:
    missing = sorted(wish.lines.keys() - products.keys())
    if missing:
        return ProductNotFound(items=[{"product_id": product_id} for product_id in missing])
    short = [
        {"product_id": product_id, "requested": units, "available": available}
        for product_id, units in sorted(wish.lines.items())
        if units > (available := products[product_id].stock.available)
    ]
    if short:
        return InsufficientStock(items=short)
    return _price_refusal(wish, products)


def _price_refusal(wish: Wish, products: dict[int, Product]) -> Problem | None:
    others = [
        {
            "product_id": product_id,
            "expected": to_text(expected),
            "price": to_text(products[product_id].price_minor),
        }
        for product_id, expected in sorted(wish.prices.items())
        if products[product_id].price_minor != expected
    ]
    if others:
        return PriceChanged(items=others)
    total = _total(wish, products)
    if total > LARGEST_TOTAL:
        return OrderTooLarge()
    if wish.total is not None and wish.total != total:
        return PriceChanged(expected_total=to_text(wish.total), total=to_text(total))
    return None


def _total(wish: Wish, products: dict[int, Product]) -> int:
    return sum(products[product].price_minor * units for product, units in wish.lines.items())


def _hold(
    session: Session, wish: Wish, products: dict[int, Product], stock: dict[int, Stock]
) -> None:
    # One statement for all lines. It adds to what the locked row holds, and never writes a number
    # that was computed elsewhere.
    session.execute(
        update(Stock)
        .where(Stock.product_id.in_(wish.lines))
        .values(
            reserved=Stock.reserved + case(wish.lines, value=Stock.product_id),
            version=Stock.version + 1,
        )
        .execution_options(synchronize_session=False)
    )
    for product_id, units in wish.lines.items():
        before = stock[product_id].available
        warn_if_low(
            session,
            products[product_id],
            before=before,
            available=before - units,
            stock=stock[product_id],
        )


def _answer(order_id: UUID, wish: Wish, products: dict[int, Product]) -> dict[str, Any]:
    items = [
        {
            "product_id": product_id,
            "sku": products[product_id].sku,
            "name": products[product_id].name,
            "quantity": units,
            "unit_price": products[product_id].price_minor,
        }
        for product_id, units in sorted(wish.lines.items())
    ]
    return {
        "order_id": str(order_id),
        "status": "reserved",
        "items": items,
        "total": _total(wish, products),
        "currency": products[min(wish.lines)].currency,
    }


def _stored_refusal(refusal: Problem) -> dict[str, Any]:
    return {"code": refusal.code, "members": refusal.members}


def _store(
    session: Session, order_id: UUID, wish: Wish, status: str, answer: dict[str, Any]
) -> None:
    session.add(
        Reservation(
            order_id=order_id,
            status=status,
            wish=wish.text(),
            answer=orjson.dumps(answer).decode(),
            reserved_at=database_clock(),
        )
    )


def _tombstone(order_id: UUID, status: str) -> Reservation:
    clock = database_clock()
    return Reservation(order_id=order_id, status=status, reserved_at=clock, settled_at=clock)


def _lines(session: Session, reservation: Reservation) -> list[tuple[Stock, int]]:
    """The stock that a reservation holds, locked, with the units of each."""
    lines = dict(orjson.loads(reservation.wish or "{}")["lines"])
    stock = lock_stock(session, lines)
    return [(stock[product_id], lines[product_id]) for product_id in sorted(lines)]


def _settle(reservation: Reservation, status: str) -> None:
    reservation.status = status
    reservation.settled_at = utcnow()
