# SPDX-License-Identifier: Apache-2.0
"""Every event of the shop, and who reads it. Additive changes only; a test compares the schemas."""

from common.contracts.auth import UserChanged, UserDeleted, UserRegistered
from common.contracts.catalog import (
    Change,
    ProductChanged,
    ProductCreated,
    ProductDeleted,
    ProductPriceChanged,
    ReservationOverdue,
    StockChanged,
    StockLow,
)
from common.contracts.gateway import OneView, ProductsViewed, ProductViewed
from common.contracts.orders import OrderCancelled, OrderLine, OrderPlaced, OrderRejected
from common.events import Event

EVENTS: dict[str, type[Event]] = {
    event.type(): event
    for event in (
        UserRegistered,
        UserChanged,
        UserDeleted,
        ProductCreated,
        ProductChanged,
        ProductDeleted,
        ProductPriceChanged,
        StockChanged,
        StockLow,
        ProductViewed,
        ProductsViewed,
        ReservationOverdue,
        OrderPlaced,
        OrderCancelled,
        OrderRejected,
    )
}

VIEWS: tuple[type[Event], ...] = ProductViewed, ProductsViewed
"""Both tell of views: of one, as gateways did until now, and of many."""

SUBSCRIPTIONS: dict[str, tuple[type[Event], ...]] = {
    "notifier": (
        UserRegistered,
        UserChanged,
        UserDeleted,
        ProductCreated,
        ProductChanged,
        ProductDeleted,
        ProductPriceChanged,
        StockChanged,
        StockLow,
        OrderPlaced,
        OrderCancelled,
    ),
    "orders": (UserRegistered, UserChanged, UserDeleted, ReservationOverdue),
    "catalog": (OrderPlaced, OrderCancelled, OrderRejected),
    "analytics": tuple(EVENTS.values()),
}
"""Who reads what: the broker's queues are made from this table and from nothing else."""

__all__ = [
    "EVENTS",
    "SUBSCRIPTIONS",
    "VIEWS",
    "Change",
    "Event",
    "OneView",
    "OrderCancelled",
    "OrderLine",
    "OrderPlaced",
    "OrderRejected",
    "ProductChanged",
    "ProductCreated",
    "ProductDeleted",
    "ProductPriceChanged",
    "ProductViewed",
    "ProductsViewed",
    "ReservationOverdue",
    "StockChanged",
    "StockLow",
    "UserChanged",
    "UserDeleted",
    "UserRegistered",
]
