# SPDX-License-Identifier: Apache-2.0
from datetime import timedelta
from uuid import uuid4

from prometheus_client import REGISTRY
from sqlalchemy import update

from catalog.commands.reservations import Wish, release_reservation
from catalog.measures import measure
from catalog.models import Reservation
from common.clock import utcnow
from support.reserving import reserve_one


def told(database):
    measure(database, overdue_seconds=900)
    return tuple(
        REGISTRY.get_sample_value(f"souk_reservations_{which}") for which in ("open", "overdue")
    )


def test_open_and_overdue_reservations_are_told_until_they_end(database, sell):
    lamp, orders = sell("Lamp", quantity=9), [uuid4() for _ in range(3)]
    for order_id in orders:
        wish = Wish(lines={lamp.id: 1}, prices={}, total=None)
        reserve_one(database, order_id=order_id, wish=wish)
    assert told(database) == (3, 0)

    long_ago = update(Reservation).values(reserved_at=utcnow() - timedelta(seconds=901))
    database.run(lambda session: session.execute(long_ago.where(Reservation.order_id == orders[0])))
    assert told(database) == (3, 1)

    database.run(release_reservation, order_id=orders[0])
    assert told(database) == (2, 0)
