# SPDX-License-Identifier: Apache-2.0
"""Reservations that nobody settled: catalog asks, and takes nothing away by itself."""

from datetime import timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from catalog.models import Reservation
from common import outbox
from common.contracts import ReservationOverdue
from common.db import database_clock
from common.logs import get_logger

log = get_logger(__name__)

BATCH = 100
IS_RESERVED = "SELECT EXISTS (SELECT 1 FROM reservations WHERE status = 'reserved')"
"""Whether anything waits to be settled, be it for long or not."""


def ask_about_overdue(session: Session, *, overdue_seconds: int, repeat_seconds: int) -> int:
    """Ask orders what became of every reservation that waits for too long; returns how many.

    Times are compared by the database's clock: a worker whose own clock is wrong asks nobody early.

    Effects:
        Locks those that no other worker holds. Appends ``ReservationOverdue``.
    """
    now = session.scalars(select(database_clock())).one()
    query = (
        select(Reservation)
        .where(
            Reservation.status == "reserved",
            Reservation.reserved_at < now - timedelta(seconds=overdue_seconds),
            or_(
                Reservation.asked_at.is_(None),
                Reservation.asked_at < now - timedelta(seconds=repeat_seconds),
            ),
        )
        .order_by(Reservation.reserved_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    overdue = session.scalars(query).all()
    for reservation in overdue:
        reservation.asked_at = now
        told = ReservationOverdue(
            order_id=str(reservation.order_id), reserved_at=reservation.reserved_at
        )
        outbox.append(session, told, version=1)
    if overdue:
        log.warning("reservations_overdue", count=len(overdue))
    return len(overdue)
