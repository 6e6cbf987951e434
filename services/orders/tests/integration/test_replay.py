# SPDX-License-Identifier: Apache-2.0
"""News heard again from the log, over the internal route: an order's end is told no second time."""

import threading
from datetime import timedelta

import pytest
from catalog_stub import LAMP

from common.amqp import Topology
from common.clock import utcnow
from common.contracts import SUBSCRIPTIONS, ReservationOverdue, UserChanged, UserRegistered
from common.events import Envelope
from common.metrics import HANDLED
from common.subscriber import Subscriber
from common.testing import eventually
from orders.handlers import HANDLERS

TOPOLOGY = Topology(service="orders", events=SUBSCRIPTIONS["orders"])


def handled() -> float:
    """How many deliveries have been acknowledged since the process began."""
    samples = [sample for metric in HANDLED.collect() for sample in metric.samples]
    totals = [sample for sample in samples if sample.name.endswith("_total")]
    return sum(one.value for one in totals if one.labels["outcome"] in {"done", "duplicate"})


@pytest.fixture
def consuming(database, amqp_url, fresh_queues):
    fresh_queues(TOPOLOGY)
    stop = threading.Event()
    run = Subscriber(database, amqp_url, TOPOLOGY, HANDLERS).run
    thread = threading.Thread(target=run, args=(stop,))
    thread.start()
    yield
    stop.set()
    thread.join(timeout=15)


@pytest.fixture
def post(app, token_factory, monkeypatch):
    monkeypatch.setattr("common.replay.BROKER_SECONDS", 30.0)  # a busy machine is no fault
    headers = token_factory.service_bearer("analytics")

    def send(*envelopes):
        bodies = [envelope.to_json().decode() for envelope in envelopes]
        with app.test_client() as client:
            return client.post("/internal/replay", json={"events": bodies}, headers=headers)

    return send


@pytest.fixture
def replay(post):
    """Sends these to the service as analytics does, and waits until they are handled."""

    def send(*envelopes):
        before = handled()
        answer = post(*envelopes)
        assert answer.status_code == 200, answer.text
        eventually(lambda: handled() >= before + len(envelopes))

    return send


def overdue(order_id):
    return Envelope.seal(
        ReservationOverdue(order_id=order_id, reserved_at=utcnow()), aggregate_version=1
    )


def user(kind, name, version):
    facts = {"email": None, "fullname": None, "role": "user", "guest": False}
    return Envelope.seal(kind(user_id=7, username=name, **facts), aggregate_version=version)


def test_a_stretch_that_is_replayed_twice_has_its_effects_once(ada, ledger, consuming, replay):
    order_id = ada.order("k", (LAMP, 2)).json["id"]
    stretch = [
        user(UserRegistered, "ada", 1),
        user(UserChanged, "ada lovelace", 2),
        overdue(order_id),
    ]

    replay(*stretch)
    assert ledger.event_types() == ["OrderPlaced", "OrderPlaced"]
    replay(*stretch)
    replay(*stretch[::-1])

    assert ledger.event_types() == ["OrderPlaced", "OrderPlaced"]
    assert ledger.statuses() == ["confirmed"]


def test_what_only_the_inbox_knows_is_not_heard_after_it_may_have_forgotten(post):
    """The same question is answered once more, whenever it comes."""

    def old(**ago):
        return overdue("o").model_copy(update={"time": utcnow() - timedelta(**ago)})

    assert post(old(days=29, minutes=1)).json["errors"] == {
        "events": {"0": ["happened more than 29 days ago"]}
    }
