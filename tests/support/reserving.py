# SPDX-License-Identifier: Apache-2.0
"""One order's reserve command, as catalog runs it for an order that comes alone."""

from uuid import UUID

from catalog.commands.reservations import Asked, Reserved, Wish, reserve_stock
from common.context import Trace
from common.db import Database


def reserve_one(database: Database, *, order_id: UUID, wish: Wish) -> Reserved:
    """What the order is answered; a refusal is returned."""
    asked = Asked(order_id=order_id, wish=wish, trace=Trace())
    [answer] = database.run(reserve_stock, [asked])
    return answer
