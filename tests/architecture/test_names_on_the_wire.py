# SPDX-License-Identifier: Apache-2.0
"""Names that running brokers hold: a changed one loses messages, so each stands here by hand."""

from importlib import import_module

from common.amqp import Topology
from common.amqp.topology import DEAD_EXCHANGE, EVENTS_EXCHANGE
from common.contracts import SUBSCRIPTIONS

QUEUES = {
    "notifier.user_registered": "auth.user_registered.v1",
    "notifier.user_changed": "auth.user_changed.v1",
    "notifier.user_deleted": "auth.user_deleted.v1",
    "notifier.product_created": "catalog.product_created.v1",
    "notifier.product_changed": "catalog.product_changed.v1",
    "notifier.product_deleted": "catalog.product_deleted.v1",
    "notifier.product_price_changed": "catalog.product_price_changed.v1",
    "notifier.stock_changed": "catalog.stock_changed.v1",
    "notifier.stock_low": "catalog.stock_low.v1",
    "notifier.order_placed": "orders.order_placed.v1",
    "notifier.order_cancelled": "orders.order_cancelled.v1",
    "orders.user_registered": "auth.user_registered.v1",
    "orders.user_changed": "auth.user_changed.v1",
    "orders.user_deleted": "auth.user_deleted.v1",
    "orders.reservation_overdue": "catalog.reservation_overdue.v1",
    "catalog.order_placed": "orders.order_placed.v1",
    "catalog.order_cancelled": "orders.order_cancelled.v1",
    "catalog.order_rejected": "orders.order_rejected.v1",
    "analytics.user_registered": "auth.user_registered.v1",
    "analytics.user_changed": "auth.user_changed.v1",
    "analytics.user_deleted": "auth.user_deleted.v1",
    "analytics.product_created": "catalog.product_created.v1",
    "analytics.product_changed": "catalog.product_changed.v1",
    "analytics.product_deleted": "catalog.product_deleted.v1",
    "analytics.product_price_changed": "catalog.product_price_changed.v1",
    "analytics.stock_changed": "catalog.stock_changed.v1",
    "analytics.stock_low": "catalog.stock_low.v1",
    "analytics.reservation_overdue": "catalog.reservation_overdue.v1",
    "analytics.product_viewed": "gateway.product_viewed.v1",
    "analytics.products_viewed": "gateway.products_viewed.v1",
    "analytics.order_placed": "orders.order_placed.v1",
    "analytics.order_cancelled": "orders.order_cancelled.v1",
    "analytics.order_rejected": "orders.order_rejected.v1",
}
"""Every queue of events, and the one key that it is bound with."""


def test_queues_and_their_keys_are_the_ones_that_brokers_hold():
    found = {}
    for service, events in SUBSCRIPTIONS.items():
        for queue in Topology(service=service, events=events).queues():
            for exchange, key in queue.bindings:
                if exchange == EVENTS_EXCHANGE:
                    found[queue.name] = key

    assert found == QUEUES


def test_exchanges_are_the_ones_that_brokers_hold():
    assert (EVENTS_EXCHANGE, DEAD_EXCHANGE) == ("souk.events", "souk.dead")
    assert {Topology(service=name, events=()).exchange for name in SUBSCRIPTIONS} == {
        f"{name}.direct" for name in SUBSCRIPTIONS
    }


def test_every_subscriber_is_a_service_and_handles_just_what_it_subscribes_to(service):
    if service not in SUBSCRIPTIONS:
        assert service == "auth", "a service that reads nothing must be known to read nothing"
        return
    handlers = import_module(f"{service}.handlers")
    kinds = (getattr(handlers, name, {}) for name in ("HANDLERS", "BATCH_HANDLERS"))
    handled = {event for handled_so in kinds for event in handled_so}

    assert handled == set(SUBSCRIPTIONS[service])
