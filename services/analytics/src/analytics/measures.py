# SPDX-License-Identifier: Apache-2.0
"""What the worker tells the metrics: how business goes.

Sums over the last sixty full minutes, from the tables: whoever restarts tells the same as before,
and a day is the sum of 24 looks that are an hour apart.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import Gauge
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from analytics.models import LoggedEvent, ProductMinute
from common.clock import utcnow
from common.contracts import OrderPlaced, ProductPriceChanged
from common.db import Database
from common.events import Event

HOUR = timedelta(hours=1)
VIEWS = Gauge("souk_last_hour_views", "Looks at product pages in the last hour")
UNITS = Gauge("souk_last_hour_units", "Units sold in the last hour, without cancelled orders")
REVENUE = Gauge("souk_last_hour_revenue_minor", "What these cost, in minor units", ["currency"])
ORDERS = Gauge("souk_last_hour_orders", "Orders placed in the last hour, cancelled ones included")
PRICE_CHANGES = Gauge("souk_last_hour_price_changes", "Price changes in the last hour")


@dataclass(frozen=True, kw_only=True)
class Business:
    """What happened in an hour; *revenue* in minor units."""

    views: int
    units: int
    revenue: int
    orders: int
    price_changes: int


def measure(database: Database, *, currency: str) -> None:
    found = database.read(business, until=utcnow())
    VIEWS.set(found.views)
    UNITS.set(found.units)
    REVENUE.labels(currency).set(found.revenue)
    ORDERS.set(found.orders)
    PRICE_CHANGES.set(found.price_changes)


def business(session: Session, *, until: datetime) -> Business:
    """What happened in the sixty minutes before the one that *until* is in."""
    end = until.replace(second=0, microsecond=0)
    minutes = ProductMinute.minute >= end - HOUR, ProductMinute.minute < end
    sums = session.execute(
        select(
            func.sum(ProductMinute.views).label("views"),
            func.sum(ProductMinute.units).label("units"),
            func.sum(ProductMinute.revenue).label("revenue"),
        ).where(*minutes)
    ).one()
    return Business(
        views=int(sums.views or 0),
        units=int(sums.units or 0),
        revenue=int(sums.revenue or 0),
        orders=_told(session, OrderPlaced, end),
        price_changes=_told(session, ProductPriceChanged, end),
    )


def _told(session: Session, event: type[Event], end: datetime) -> int:
    told = LoggedEvent.time >= end - HOUR, LoggedEvent.time < end, LoggedEvent.type == event.type()
    return session.scalars(select(func.count()).where(*told)).one()
