# SPDX-License-Identifier: Apache-2.0
"""One order's commands, as catalog runs them for an order that comes alone."""

from uuid import UUID

from catalog.commands.reservations import Asked, Reserved, Wish, reserve_stock, sell_reservations
from common.context import Trace
from common.db import Database


def reserve_one(database: Database, *, order_id: UUID, wish: Wish) -> Reserved:
    """What the order is answered; a refusal is returned."""
    asked = Asked(order_id=order_id, wish=wish, trace=Trace())
    [answer] = database.run(reserve_stock, [asked])
    return answer


def sell_one(database: Database, order_id: UUID) -> set[UUID]:
    """The order, where it was not sold before."""
    return database.run(sell_reservations, {order_id: Trace()})
