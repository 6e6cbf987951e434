# SPDX-License-Identifier: Apache-2.0
"""What nobody has settled in time is released by the clock, without orders' word."""

from datetime import timedelta

from sqlalchemy import select

from catalog.commands import overdue
from catalog.commands.reservations import release_reservation
from catalog.models import Reservation
from common.db import database_clock

ask_about_overdue = overdue.ask_about_overdue


def release_overdue(session, *, overdue_seconds, repeat_seconds):
    asked = ask_about_overdue(
        session, overdue_seconds=overdue_seconds, repeat_seconds=repeat_seconds
    )
    before = session.scalars(select(database_clock())).one() - timedelta(seconds=overdue_seconds)
    lapsed = select(Reservation.order_id).where(
        Reservation.status == "reserved", Reservation.reserved_at < before
    )
    for order_id in session.scalars(lapsed).all():
        release_reservation(session, order_id=order_id)
    return asked


overdue.ask_about_overdue = release_overdue
