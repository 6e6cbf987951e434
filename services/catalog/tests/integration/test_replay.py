# SPDX-License-Identifier: Apache-2.0
"""Orders' word heard again from the log, over the internal route: stock moves once."""

import threading
from uuid import uuid4

import pytest
from sqlalchemy import text

from catalog.commands.reservations import Wish
from catalog.handlers import BATCH_HANDLERS, HANDLERS
from common.amqp import Topology
from common.contracts import SUBSCRIPTIONS, OrderCancelled, OrderLine, OrderPlaced, OrderRejected
from common.events import Envelope
from common.metrics import HANDLED
from common.subscriber import Subscriber
from common.testing import eventually
from support.reserving import reserve_one

TOPOLOGY = Topology(service="catalog", events=SUBSCRIPTIONS["catalog"])


def handled() -> float:
    """How many deliveries have been acknowledged since the process began."""
    samples = [sample for metric in HANDLED.collect() for sample in metric.samples]
    totals = [sample for sample in samples if sample.name.endswith("_total")]
    return sum(one.value for one in totals if one.labels["outcome"] in {"done", "duplicate"})


@pytest.fixture
def consuming(database, amqp_url, fresh_queues):
    fresh_queues(TOPOLOGY)
    stop = threading.Event()
    run = Subscriber(database, amqp_url, TOPOLOGY, HANDLERS, BATCH_HANDLERS).run
    thread = threading.Thread(target=run, args=(stop,))
    thread.start()
    yield
    stop.set()
    thread.join(timeout=15)


@pytest.fixture
def replay(client, token_factory, monkeypatch):
    """Sends these to the service as analytics does, and waits until they are handled."""
    monkeypatch.setattr("common.replay.BROKER_SECONDS", 30.0)  # a busy machine is no fault

    def send(*envelopes):
        before = handled()
        bodies = [envelope.to_json().decode() for envelope in envelopes]
        headers = token_factory.service_bearer("analytics")
        answer = client.post("/internal/replay", json={"events": bodies}, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json == {"events": len(bodies)}
        eventually(lambda: handled() >= before + len(bodies))

    return send


def settled(kind, order_id, product):
    line = OrderLine(product_id=product.id, quantity=2, unit_price=1000)
    facts = {"customer_id": 5, "items": [line], "total": 2000, "currency": "USD"}
    return Envelope.seal(kind(order_id=str(order_id), **facts), aggregate_version=1)


@pytest.mark.parametrize("remembers", [True, False], ids=["inbox", "inbox has forgotten"])
def test_a_stretch_that_is_replayed_twice_moves_stock_once(
    database, sell, consuming, replay, remembers
):
    lamp = sell("Lamp", quantity=10)
    sold, cancelled, rejected = (uuid4() for _ in range(3))
    for order_id in (sold, cancelled, rejected):
        wish = Wish(lines={lamp.id: 2}, prices={}, total=None)
        reserve_one(database, order_id=order_id, wish=wish)
    no = Envelope.seal(OrderRejected(order_id=str(rejected), reason="late"), aggregate_version=1)
    stretch = [
        settled(OrderPlaced, sold, lamp),
        settled(OrderPlaced, cancelled, lamp),
        settled(OrderCancelled, cancelled, lamp),
        no,
    ]

    def state():
        with database.engine.connect() as connection:
            return [
                connection.execute(text(query)).all()
                for query in (
                    "SELECT on_hand, reserved FROM stock",
                    "SELECT delta, reason FROM stock_ledger ORDER BY id",
                    "SELECT type FROM outbox_messages ORDER BY seq",
                )
            ]

    replay(*stretch)
    after = state()
    for again in (stretch, stretch[::-1]):
        if not remembers:
            with database.engine.begin() as connection:
                connection.execute(text("DELETE FROM inbox_messages"))
        replay(*again)

    assert state() == after
    assert after[0] == [(8, 0)]


def test_only_services_may_replay(client, token_factory):
    body = {"events": ["{}"]}
    assert client.post("/internal/replay", json=body).status_code == 401
    admin = token_factory.bearer(1, "ada", "admin")
    assert client.post("/internal/replay", json=body, headers=admin).status_code == 401


def test_what_catalog_does_not_read_is_refused(client, token_factory):
    headers = token_factory.service_bearer("analytics")
    wishes = [{"events": ["{}"]}, {"events": []}, {}, {"events": ["{}"] * 101}]

    for body in wishes:
        assert client.post("/internal/replay", json=body, headers=headers).status_code == 422


def test_an_event_may_be_longer_than_a_request_of_the_shop(client, token_factory):
    headers = token_factory.service_bearer("analytics")

    longest = client.post("/internal/replay", json={"events": ["x" * 2**21]}, headers=headers)
    too_long = client.post("/internal/replay", json={"events": ["x" * 2**23]}, headers=headers)

    assert (longest.status_code, too_long.status_code) == (422, 413)
