# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from analytics.measures import Business, business, measure
from common.clock import utcnow
from common.contracts import ProductPriceChanged

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LAMP, CHAIR = 42, 43
SECOND = timedelta(seconds=1)


@pytest.fixture
def price_change(teller):
    def told(at):
        event = ProductPriceChanged(
            product_id=LAMP,
            sku=None,
            name="Lamp",
            seller_id=7,
            old_price=100,
            new_price=90,
            currency="USD",
        )
        return teller.told(event, at=at, version=2)

    return told


def test_the_last_hour_is_the_sixty_full_minutes_before_this_one(
    database, hear, teller, price_change
):
    start, end = NOON - timedelta(hours=1), NOON
    for at in (start - SECOND, start, end - SECOND, end):
        hear(teller.view(at=at), price_change(at))
        hear(teller.placed(f"o-{at}", (LAMP, 2, 1250), (CHAIR, 1, 4000), at=at))
    hear(teller.placed("gone", (LAMP, 9, 1250), at=start))
    hear(teller.cancelled("gone", (LAMP, 9, 1250), at=start + SECOND))

    found = database.read(business, until=NOON + 59 * SECOND)

    assert found == Business(views=2, units=6, revenue=13000, orders=3, price_changes=2)


def test_a_quiet_hour_is_told_as_noughts_and_a_busy_one_in_its_currency(database, hear, teller):
    def told(name, **labels):
        measure(database, currency="USD")
        return REGISTRY.get_sample_value(f"souk_last_hour_{name}", labels)

    assert (told("views"), told("orders"), told("price_changes")) == (0, 0, 0)
    hear(teller.placed("o-1", (LAMP, 2, 1250), at=utcnow() - timedelta(minutes=5)))

    assert (told("revenue_minor", currency="USD"), told("units"), told("orders")) == (2500, 2, 1)
