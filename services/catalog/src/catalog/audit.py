# SPDX-License-Identifier: Apache-2.0
"""What must always be true of the stock. Reads only; each rule is one statement."""

from collections.abc import Iterable
from uuid import UUID

import orjson
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from catalog.models import LedgerEntry, Reservation, Stock
from common.audit import Invariant, Violation, broken
from common.clock import rfc3339

LINES = """JSON_TABLE(reservations.wish, '$.lines[*]' COLUMNS (
    product_id BIGINT PATH '$[0]', units BIGINT PATH '$[1]')) AS line"""
"""The lines of a reservation's wish as rows; both servers read JSON this way."""

PROMISED = text(f"""
    SELECT stock.product_id, stock.reserved, COALESCE(promised.units, 0) AS units
    FROM stock LEFT JOIN (
        SELECT line.product_id, SUM(line.units) AS units FROM reservations, {LINES}
        WHERE reservations.status = 'reserved' GROUP BY line.product_id
    ) AS promised ON promised.product_id = stock.product_id
    WHERE stock.reserved <> COALESCE(promised.units, 0)""")  # noqa: S608 - no word of a client's

SOLD = text(f"""
    SELECT order_id, product_id, SUM(units) AS units FROM (
        SELECT order_id, product_id, delta AS units FROM stock_ledger WHERE order_id IS NOT NULL
        UNION ALL
        SELECT reservations.order_id, line.product_id, line.units FROM reservations, {LINES}
        WHERE reservations.status = 'sold'
    ) AS moved GROUP BY order_id, product_id HAVING SUM(units) <> 0""")  # noqa: S608


def ledger_adds_up(session: Session) -> Iterable[Violation]:
    """A product's ledger entries add up to what is on hand."""
    total = func.coalesce(func.sum(LedgerEntry.delta), 0)
    query = (
        select(Stock.product_id, Stock.on_hand, total.label("total"))
        .outerjoin(LedgerEntry, LedgerEntry.product_id == Stock.product_id)
        .group_by(Stock.product_id, Stock.on_hand)
        .having(total != Stock.on_hand)
    )
    return broken(
        session.execute(query),
        lambda row: (
            f"product/{row.product_id}",
            f"{row.on_hand} on hand, but the ledger adds up to {row.total}",
        ),
    )


def ledger_has_no_gap(session: Session) -> Iterable[Violation]:
    """Each ledger entry begins where the one before it ended."""
    last = func.lag(LedgerEntry.on_hand).over(
        partition_by=LedgerEntry.product_id, order_by=LedgerEntry.id
    )
    entries = select(
        LedgerEntry.id,
        LedgerEntry.product_id,
        LedgerEntry.delta,
        LedgerEntry.on_hand,
        func.coalesce(last, 0).label("before"),
    ).subquery()
    faulty = select(entries).where(entries.c.before + entries.c.delta != entries.c.on_hand)
    return broken(
        session.execute(faulty),
        lambda row: (
            f"product/{row.product_id}",
            f"ledger entry {row.id}: {row.before} and {row.delta:+d} are not {row.on_hand}",
        ),
    )


def nothing_is_oversold(session: Session) -> Iterable[Violation]:
    """No product has promised more than it has."""
    query = select(Stock).where((Stock.reserved < 0) | (Stock.reserved > Stock.on_hand))
    return broken(
        session.scalars(query),
        lambda stock: (
            f"product/{stock.product_id}",
            f"{stock.reserved} promised of {stock.on_hand} on hand",
        ),
    )


def reserved_is_promised(session: Session) -> Iterable[Violation]:
    """What a product holds back is what open reservations want of it."""
    return broken(
        session.execute(PROMISED),
        lambda row: (
            f"product/{row.product_id}",
            f"{row.reserved} reserved, but open reservations want {row.units}",
        ),
    )


def sold_left_the_shelf(session: Session) -> Iterable[Violation]:
    """An order's units left the ledger once if it was sold, and are back if it was not."""
    return broken(
        session.execute(SOLD),
        lambda row: (
            f"order/{UUID(bytes=bytes(row.order_id))}",
            f"product {row.product_id} is off by {int(row.units):+d} in the ledger",
        ),
    )


INVARIANTS: dict[str, Invariant] = {
    "catalog.nothing_is_oversold": nothing_is_oversold,
    "catalog.ledger_adds_up": ledger_adds_up,
    "catalog.ledger_has_no_gap": ledger_has_no_gap,
    "catalog.reserved_is_promised": reserved_is_promised,
    "catalog.sold_left_the_shelf": sold_left_the_shelf,
}


def list_reservations(
    session: Session, *, after: UUID | None, limit: int
) -> list[dict[str, object]]:
    """Reservations by order id, from behind *after*: what orders' side is compared with."""
    query = select(Reservation).order_by(Reservation.order_id).limit(limit)
    if after is not None:
        query = query.where(Reservation.order_id > after)
    return [
        {
            "order_id": str(one.order_id),
            "status": one.status,
            "reserved_at": rfc3339(one.reserved_at),
            "lines": orjson.loads(one.wish)["lines"] if one.wish else [],
        }
        for one in session.scalars(query)
    ]


def list_ledger(session: Session, *, after: int, limit: int) -> list[dict[str, object]]:
    """Ledger entries by id, from behind *after*: each must have been told to the world."""
    query = (
        select(LedgerEntry.id, LedgerEntry.product_id, LedgerEntry.event_id)
        .where(LedgerEntry.id > after)
        .order_by(LedgerEntry.id)
        .limit(limit)
    )
    return [
        {"id": row.id, "product_id": row.product_id, "event_id": str(row.event_id)}
        for row in session.execute(query)
    ]
