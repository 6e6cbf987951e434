# SPDX-License-Identifier: Apache-2.0
"""What of a broken stock can be put right, and what a person must decide."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import audit
from catalog.audit import LINES
from catalog.config import Config
from catalog.locks import lock_stock
from common.db import Database
from common.repairs import Change, Outcome, Rule, Unprovable, repair_all

OPEN = text(f"""
    SELECT COALESCE(SUM(line.units), 0) FROM reservations, {LINES}
    WHERE reservations.status = 'reserved' AND line.product_id = :product_id""")  # noqa: S608

LEDGER = "compare the product's ledger with what lies on the shelf, then set the true number"


def count_promised(session: Session, subject: str) -> Change | None:
    """Let a product hold back what its open reservations want.

    Whoever opens or ends a reservation changes ``reserved`` in the same transaction, under the lock
    that is taken here: while it is held, the committed reservations are the truth.
    """
    product_id = int(subject.removeprefix("product/"))
    stock = lock_stock(session, [product_id])[product_id]
    units = int(session.scalar(OPEN, {"product_id": product_id}) or 0)
    if units > stock.on_hand:
        raise Unprovable(
            f"orders were promised {units} of {stock.on_hand} on hand: find more units, or cancel "
            "orders"
        )
    if units == stock.reserved:
        return None
    change = Change(was=f"{stock.reserved} reserved", became=f"{units} reserved")
    stock.reserved = units
    stock.version += 1
    return change


RULES = {
    "catalog.reserved_is_promised": Rule(
        invariant=audit.reserved_is_promised, repair=count_promised
    ),
    "catalog.nothing_is_oversold": Rule(invariant=audit.nothing_is_oversold, repair=count_promised),
    # Stock and ledger are each other's only witness.
    "catalog.ledger_adds_up": Rule(invariant=audit.ledger_adds_up, advice=LEDGER),
    "catalog.ledger_has_no_gap": Rule(
        invariant=audit.ledger_has_no_gap,
        advice="somebody changed the ledger: compare it with a backup and with the event log",
    ),
    "catalog.sold_left_the_shelf": Rule(
        invariant=audit.sold_left_the_shelf,
        advice="compare the order's timeline with the ledger and with what lies on the shelf",
    ),
}


def repair(_config: Config, database: Database, *, apply: bool) -> list[Outcome]:
    """What ``python -m catalog repair`` does."""
    return repair_all(database, RULES, apply=apply)
