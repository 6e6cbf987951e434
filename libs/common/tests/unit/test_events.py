# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

import orjson
import pytest
from pydantic import ValidationError

from common.context import Trace, traced
from common.contracts import EVENTS, Change, ProductPriceChanged
from common.events import CONTENT_TYPE, Envelope, Event, snake_case

ROUTING_KEYS = {
    "UserRegistered": "auth.user_registered.v1",
    "UserChanged": "auth.user_changed.v1",
    "UserDeleted": "auth.user_deleted.v1",
    "ProductCreated": "catalog.product_created.v1",
    "ProductChanged": "catalog.product_changed.v1",
    "ProductDeleted": "catalog.product_deleted.v1",
    "ProductPriceChanged": "catalog.product_price_changed.v1",
    "StockChanged": "catalog.stock_changed.v1",
    "StockLow": "catalog.stock_low.v1",
    "ProductViewed": "gateway.product_viewed.v1",
    "ProductsViewed": "gateway.products_viewed.v1",
    "ReservationOverdue": "catalog.reservation_overdue.v1",
    "OrderPlaced": "orders.order_placed.v1",
    "OrderCancelled": "orders.order_cancelled.v1",
    "OrderRejected": "orders.order_rejected.v1",
}
"""Queues on running brokers are bound with these: a changed key loses events."""

PRICE = ProductPriceChanged(
    product_id=42,
    sku="lamp-1",
    name="Lamp",
    seller_id=7,
    old_price=1000,
    new_price=1250,
    currency="USD",
)


def test_routing_keys_are_the_ones_that_brokers_know():
    assert {name: event.routing_key() for name, event in EVENTS.items()} == ROUTING_KEYS


@pytest.mark.parametrize(
    ("name", "snake"), [("OrderPlaced", "order_placed"), ("A", "a"), ("StockLow", "stock_low")]
)
def test_names_turn_into_snake_case(name, snake):
    assert snake_case(name) == snake


def test_an_event_on_the_wire_is_a_cloudevent():
    trace = Trace(correlation_id="c" * 32, causation_id="cause", actor="user/1")
    with traced(trace):
        sealed = Envelope.seal(PRICE, aggregate_version=7)

    body = orjson.loads(sealed.to_json())

    assert UUID(body.pop("id")).version == 7
    moment = datetime.fromisoformat(body["time"])
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
    assert body.pop("time").endswith("Z")
    assert body == {
        "specversion": "1.0",
        "source": "/souk/catalog",
        "type": "ProductPriceChanged",
        "datacontenttype": "application/json",
        "dataschemaversion": "1",
        "subject": "product/42",
        "aggregateversion": 7,
        "correlationid": "c" * 32,
        "causationid": "cause",
        "actor": "user/1",
        "data": {
            "product_id": 42,
            "sku": "lamp-1",
            "name": "Lamp",
            "seller_id": 7,
            "old_price": 1000,
            "new_price": 1250,
            "currency": "USD",
        },
    }
    assert CONTENT_TYPE == "application/cloudevents+json"


def test_what_was_written_is_read_again_to_the_millisecond():
    sealed = Envelope.seal(PRICE, aggregate_version=1)

    read = Envelope.from_json(sealed.to_json())

    assert abs(read.time - sealed.time).total_seconds() < 0.001
    assert read.model_copy(update={"time": sealed.time}) == sealed
    assert ProductPriceChanged.model_validate(read.data) == PRICE


def test_a_given_id_is_kept():
    wanted = UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")

    assert Envelope.seal(PRICE, aggregate_version=1, event_id=wanted).id == wanted


def test_an_envelope_knows_where_it_goes():
    class Renamed(Event):
        publisher: ClassVar[str] = "catalog"
        version: ClassVar[int] = 2

        def subject(self):
            return "thing/1"

    assert Renamed.routing_key() == "catalog.renamed.v2"
    assert Envelope.seal(Renamed(), aggregate_version=1).routing_key == "catalog.renamed.v2"
    assert Envelope.seal(PRICE, aggregate_version=1).routing_key == PRICE.routing_key()


def test_a_reader_ignores_what_it_does_not_know():
    body = orjson.loads(Envelope.seal(PRICE, aggregate_version=1).to_json())
    body["tenant"] = "later"
    body["data"]["color"] = "red"

    read = Envelope.from_json(orjson.dumps(body))

    assert ProductPriceChanged.model_validate(read.data) == PRICE


def test_what_has_been_told_can_not_be_changed():
    with pytest.raises(ValidationError):
        PRICE.new_price = 1
    with pytest.raises(ValidationError):
        Change(old=1, new=2).new = 3
