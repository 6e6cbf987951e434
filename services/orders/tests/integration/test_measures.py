# SPDX-License-Identifier: Apache-2.0
from datetime import timedelta

from catalog_stub import LAMP, RUG
from prometheus_client import REGISTRY
from sqlalchemy import update

from common.clock import utcnow
from orders.measures import measure
from orders.models import Order


def pending(database):
    measure(database)
    oldest = REGISTRY.get_sample_value("souk_orders_oldest_pending_seconds")
    return REGISTRY.get_sample_value("souk_orders_pending"), oldest


def settled(outcome):
    return REGISTRY.get_sample_value("souk_orders_settled_total", {"outcome": outcome}) or 0


def test_the_ends_of_orders_are_counted(ada):
    before = settled("confirmed"), settled("rejected")
    assert ada.order("k1", (LAMP, 1)).status_code == 201
    assert ada.order("k1", (LAMP, 1)).status_code == 201
    assert ada.order("k2", (RUG, 2)).status_code == 409

    assert (settled("confirmed"), settled("rejected")) == (before[0] + 1, before[1] + 1)


def test_pending_orders_are_told_with_the_age_of_the_oldest(database, ada):
    assert pending(database) == (0, 0)
    for key in ("k1", "k2"):
        assert ada.order(key, (LAMP, 1)).status_code == 201
    hour_ago = utcnow() - timedelta(hours=1)
    values = {"status": "pending", "held_until": utcnow(), "placed_at": None, "total_minor": None}
    left = update(Order).values(created_at=hour_ago, **values)
    database.run(lambda session: session.execute(left.where(Order.idempotency_key == "k2")))

    count, oldest = pending(database)

    assert count == 1
    assert 3600 <= oldest < 3660
