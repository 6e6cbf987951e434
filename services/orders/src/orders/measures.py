# SPDX-License-Identifier: Apache-2.0
"""What is told to the metrics: how orders end, and those that have not ended yet."""

from prometheus_client import Counter, Gauge
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from common.clock import utcnow
from common.db import Database
from orders.models import Order

SETTLED = Counter(
    "souk_orders_settled_total", "Orders by outcome: confirmed, rejected, abandoned", ["outcome"]
)
PENDING = Gauge("souk_orders_pending", "Orders that are still being placed")
OLDEST_PENDING = Gauge("souk_orders_oldest_pending_seconds", "Age of the oldest of them")


def measure(database: Database) -> None:
    count, age = database.read(pending_orders)
    PENDING.set(count)
    OLDEST_PENDING.set(age)


def pending_orders(session: Session) -> tuple[int, float]:
    """How many orders are pending, and for how many seconds the oldest has been."""
    # Only pending orders have a holder, and there is an index of those.
    query = select(func.count(), func.min(Order.created_at)).where(Order.held_until.is_not(None))
    count, oldest = session.execute(query).one()
    return count, max(0.0, (utcnow() - oldest).total_seconds()) if count else 0.0
