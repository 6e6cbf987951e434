# SPDX-License-Identifier: Apache-2.0
"""What the worker tells the metrics: the reservations that wait for orders' word."""

from datetime import timedelta

from prometheus_client import Gauge
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from catalog.models import Reservation
from common.db import Database, database_clock

OPEN = Gauge("souk_reservations_open", "Reservations that are neither sold nor given back yet")
OVERDUE = Gauge("souk_reservations_overdue", "Those of them that catalog asks orders about")


def measure(database: Database, *, overdue_seconds: int) -> None:
    found, overdue = database.read(open_reservations, overdue_seconds=overdue_seconds)
    OPEN.set(found)
    OVERDUE.set(overdue)


def open_reservations(session: Session, *, overdue_seconds: int) -> tuple[int, int]:
    """How many reservations are open, and how many of them overdue."""
    due = session.scalars(select(database_clock())).one() - timedelta(seconds=overdue_seconds)
    is_overdue = case((Reservation.reserved_at < due, 1))
    query = select(func.count(), func.count(is_overdue))
    found, overdue = session.execute(query.where(Reservation.status == "reserved")).one()
    return found, overdue
