# SPDX-License-Identifier: Apache-2.0
"""Reservations: the commit point of the stock. An order gets all its lines or none of them.

A reservation ends only by orders' word: sold, released or cancelled. No clock takes units away.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, bindparam, literal_column, select, update
from sqlalchemy.orm import Session

from catalog.commands.stock import products_by_id, put_on_shelf, shelved, warn_if_low
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
from catalog.locks import lock_reservation, lock_reservations, lock_stock
from catalog.models import Base, Reservation, Stock
from common import outbox
from common.clock import utcnow
from common.context import Trace, traced
from common.db import database_clock
from common.logs import get_logger
from common.money import to_text
from common.problems import Problem
from common.rows import CLOCK, insert_rows, update_rows
from common.statements import Statement

log = get_logger(__name__)

LARGEST_TOTAL = 2**63 - 1

STAND = {"reserved", "sold", "cancelled"}
"""Of an order that was placed, a reservation is one of these."""


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


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The reserve command of one order, in the name of whoever placed it."""

    order_id: UUID
    wish: Wish
    trace: Trace


Reserved = dict[str, Any] | Problem
Products = Mapping[int, Row[Any]]

# Made once: to make a statement takes longer than the database needs for it (docs/decisions/0023).
_SETTLE = (
    update(Reservation)
    .where(Reservation.order_id.in_(bindparam("order_ids", expanding=True)))
    .values(status=bindparam("new_status"), settled_at=bindparam("now"))
)


def reserve_stock(session: Session, asked: Sequence[Asked]) -> list[Reserved]:
    """For each order hold every line, or none of them; who is first in line is first served.

    Many orders cost as many statements as one. Asking again gives the same answer and holds
    nothing more, whether it was a yes or a no. The answer carries each line's name, sku and unit
    price as of this transaction.

    Returns:
        For each, ``{"order_id", "status", "items", "total", "currency"}``, or why not. No is never
        raised: it must not hurt the others, and what of it is stored must be committed.
        ``ReservationReleased`` when the order ended before this came, ``ReservationConflict`` when
        it wished for something else before; nothing is stored for these.

    Effects:
        Locks the stock rows in ascending order. Appends ``StockLow`` where one falls.

    Proved by services/catalog/tests/integration/test_reservation_races.py.
    """
    first: dict[UUID, Asked] = {}
    for one in asked:
        first.setdefault(one.order_id, one)
    now, known = _known(session, first)
    new = [one for one in first.values() if one.order_id not in known]
    answers = _reserve(session, new, now=now) if new else {}
    return [
        _stored_answer(known[one.order_id], one.wish)
        if one.order_id in known
        else _first_answer(answers[one.order_id], first[one.order_id].wish, one.wish)
        for one in asked
    ]


def sell_reservations(session: Session, orders: Mapping[UUID, Trace]) -> set[UUID]:
    """These orders stand: their units leave the shelf. Again, or after a cancellation: nothing.

    Many orders of one product cost as many statements as one.

    Args:
        orders: In whose name each is sold, first come first.

    Returns:
        Those that were not sold before.

    Raises:
        ReservationMissing: For one of them nothing was ever reserved, or it was given back.

    Effects:
        Locks the reservations, then all their stock. Appends ``StockChanged`` for each line.
    """
    reservations = lock_reservations(session, orders)
    for order_id in orders:
        if order_id not in reservations or reservations[order_id].status not in STAND:
            raise ReservationMissing(str(order_id))
    new = {o: trace for o, trace in orders.items() if reservations[o].status == "reserved"}
    if new:
        _sell(session, {order_id: _lines(reservations[order_id]) for order_id in new}, new)
        _settle_all(session, new, "sold")
    return set(new)


def _sell(
    session: Session, lines: Mapping[UUID, Mapping[int, int]], traces: Mapping[UUID, Trace]
) -> None:
    stock = lock_stock(session, {product_id for wanted in lines.values() for product_id in wanted})
    told, rows = [], []
    for order_id, wanted in lines.items():
        for product_id, units in sorted(wanted.items()):
            row = stock[product_id]
            row.reserved -= units
            with traced(traces[order_id]):
                event, entry = shelved(row, delta=-units, reason="sold", order_id=order_id)
            told.append(event)
            rows.append(entry)
    outbox.append_all(session, told)
    insert_rows(session, Base.metadata.tables["stock_ledger"], rows)


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
            for stock, units in _held(session, reservation):
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
            for stock, units in _held(session, reservation):
                stock.reserved -= units
                stock.version += 1
            _settle(reservation, "cancelled")
        case Reservation(status="sold"):
            for stock, units in _held(session, reservation):
                put_on_shelf(session, stock, delta=units, reason="cancelled", order_id=order_id)
            _settle(reservation, "cancelled")


def _known(session: Session, order_ids: Collection[UUID]) -> tuple[datetime, dict[UUID, Row[Any]]]:
    """What time the database has, and what it has for these orders: one round trip."""
    ids = [order_id.bytes for order_id in order_ids]
    rows = _asked_before().rows(session.connection(), order_ids=ids)
    known = {UUID(bytes=row.order_id): row for row in rows if row.order_id is not None}
    return rows[0].now.replace(tzinfo=UTC), known


@cache
def _asked_before() -> Statement:
    clock = select(literal_column(CLOCK).label("now")).subquery()
    columns = (Reservation.order_id, Reservation.status, Reservation.wish, Reservation.answer)
    among = Reservation.order_id.op("IN")(bindparam("order_ids"))
    return Statement(select(clock.c.now, *columns).outerjoin_from(clock, Reservation, among))


def _stored_answer(known: Row[Any], wish: Wish) -> Reserved:
    if known.wish is None or known.status in {"released", "cancelled"}:
        return ReservationReleased()
    if known.wish != wish.text():
        return ReservationConflict()
    answer: dict[str, Any] = orjson.loads(known.answer or "{}")
    return refusal_from(answer) if known.status == "refused" else answer


def _first_answer(answer: Reserved, first: Wish, wish: Wish) -> Reserved:
    """What an order gets that came twice at once."""
    return answer if wish.text() == first.text() else ReservationConflict()


def _reserve(session: Session, new: Sequence[Asked], *, now: datetime) -> dict[UUID, Reserved]:
    products = products_by_id(session, sorted({line for one in new for line in one.wish.lines}))
    # Looked at first, then locked and looked at again: who comes for what is sold out waits for
    # nobody, and a refusal is as true at the moment of the look as it would be under the lock.
    shown = {product_id: product.available for product_id, product in products.items()}
    answers: dict[UUID, Reserved] = {
        one.order_id: refusal
        for one in new
        if (refusal := _refusal(one.wish, products, shown)) is not None
    }
    hopeful = [one for one in new if one.order_id not in answers]
    if hopeful:
        answers |= _share_out(session, hopeful, products)
    insert_rows(session, Base.metadata.tables["reservations"], _rows(new, answers, now))
    return answers


def _share_out(
    session: Session, hopeful: Sequence[Asked], products: Products
) -> dict[UUID, Reserved]:
    """Lock what they want, and give to each in turn what those before have left."""
    stock = lock_stock(session, list(dict.fromkeys(line for o in hopeful for line in o.wish.lines)))
    left = {product_id: row.available for product_id, row in stock.items()}
    answers: dict[UUID, Reserved] = {}
    held: Counter[int] = Counter()
    for one in hopeful:
        refusal = _refusal(one.wish, products, left)
        if refusal is None:
            _take(session, one, products, stock, left)
            held.update(one.wish.lines)
        answers[one.order_id] = refusal or _answer(one.order_id, one.wish, products)
    if held:
        _hold(session, held)
    return answers


def _take(
    session: Session,
    one: Asked,
    products: Products,
    stock: dict[int, Stock],
    left: dict[int, int],
) -> None:
    for product_id, units in one.wish.lines.items():
        before = left[product_id]
        left[product_id] = available = before - units
        product, row = products[product_id], stock[product_id]
        with traced(one.trace):
            warn_if_low(session, product, before=before, available=available, stock=row)


def _refusal(wish: Wish, products: Products, left: Mapping[int, int]) -> Problem | None:
    missing = sorted(wish.lines.keys() - products.keys())
    if missing:
        return ProductNotFound(items=[{"product_id": product_id} for product_id in missing])
    short = [
        {"product_id": product_id, "requested": units, "available": available}
        for product_id, units in sorted(wish.lines.items())
        if units > (available := left[product_id])
    ]
    if short:
        return InsufficientStock(items=short)
    return _price_refusal(wish, products)


def _price_refusal(wish: Wish, products: Products) -> Problem | None:
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


def _total(wish: Wish, products: Products) -> int:
    return sum(products[product].price_minor * units for product, units in wish.lines.items())


def _hold(session: Session, held: Mapping[int, int]) -> None:
    # One statement for all orders and lines. It adds to what the locked row holds, and never
    # writes a number that was computed elsewhere.
    rows = [{"product_id": product, "reserved": units} for product, units in held.items()]
    update_rows(
        session,
        Base.metadata.tables["stock"],
        rows,
        keys=["product_id"],
        formulas={"reserved": "reserved + {}"},
        also="version = version + 1",
    )


def _answer(order_id: UUID, wish: Wish, products: Products) -> dict[str, Any]:
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


def _rows(
    new: Sequence[Asked], answers: Mapping[UUID, Reserved], now: datetime
) -> list[dict[str, Any]]:
    """What is remembered of each answer; ascending, as every other batch does it."""
    return [
        {
            "order_id": one.order_id,
            "status": "refused" if isinstance(answers[one.order_id], Problem) else "reserved",
            "wish": one.wish.text(),
            "answer": orjson.dumps(_kept(answers[one.order_id])).decode(),
            "reserved_at": now,
        }
        for one in sorted(new, key=lambda one: one.order_id)
    ]


def _kept(answer: Reserved) -> dict[str, Any]:
    if isinstance(answer, Problem):
        return {"code": answer.code, "members": answer.members}
    return answer


def _tombstone(order_id: UUID, status: str) -> Reservation:
    clock = database_clock()
    return Reservation(order_id=order_id, status=status, reserved_at=clock, settled_at=clock)


def _lines(reservation: Reservation) -> dict[int, int]:
    return dict(orjson.loads(reservation.wish or "{}")["lines"])


def _held(session: Session, reservation: Reservation) -> list[tuple[Stock, int]]:
    """The stock that a reservation holds, locked, with the units of each."""
    lines = _lines(reservation)
    stock = lock_stock(session, lines)
    return [(stock[product_id], lines[product_id]) for product_id in sorted(lines)]


def _settle_all(session: Session, order_ids: Collection[UUID], status: str) -> None:
    values = {"order_ids": list(order_ids), "new_status": status, "now": utcnow()}
    session.connection().execute(_SETTLE, values)


def _settle(reservation: Reservation, status: str) -> None:
    reservation.status = status
    reservation.settled_at = utcnow()
