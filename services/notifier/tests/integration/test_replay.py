# SPDX-License-Identifier: Apache-2.0
"""News heard again from the log, over the internal route: nobody is mailed a second time."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import text

from common.clock import utcnow
from common.metrics import HANDLED
from common.subscriber import Subscriber
from common.testing import eventually
from notifier.app import create_app
from notifier.handlers import BATCH_HANDLERS, HANDLERS
from notifier.worker import TOPOLOGY


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
def post(database, config, token_factory, monkeypatch):
    monkeypatch.setattr("common.replay.BROKER_SECONDS", 30.0)  # a busy machine is no fault
    app = create_app(config, database=database, guard=token_factory.guard("notifier"))
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


@pytest.mark.parametrize("remembers", [True, False], ids=["inbox", "inbox has forgotten"])
def test_a_stretch_that_is_replayed_twice_mails_once(
    house, make, database, consuming, replay, remembers
):
    house.admins("ada", "bob")
    now = utcnow()
    stretch = [
        make.seal(make.user(5, "eve"), time=now),
        make.seal(make.price(), time=now, correlationid="c" * 32),
        make.seal(make.changed(), time=now, correlationid="c" * 32),
        make.seal(make.stock(), time=now),
        make.seal(make.order(5), time=now),
    ]
    replay(*stretch)
    house.send()
    mailed = sorted(house.post.addresses)
    assert len(mailed) == 2 + 2 + 1

    for again in (stretch, stretch[::-1]):
        if not remembers:
            with database.engine.begin() as connection:
                connection.execute(text("DELETE FROM inbox_messages"))
        replay(*again)
        house.send()

    assert sorted(house.post.addresses) == mailed
    assert len(house.deliveries()) == len(mailed)


def test_what_may_have_been_forgotten_is_refused(post, make, config):
    """Its mail would be a new one."""
    almost = utcnow() - timedelta(days=config.mail_keep_days - 1)

    answer = post(make.seal(make.order(5), time=almost - timedelta(minutes=1)))

    assert answer.status_code == 422
    assert answer.json["errors"] == {"events": {"0": ["happened more than 89 days ago"]}}


def test_the_control_a_forgotten_event_is_mailed_again(house, make):
    """Why the test above is needed."""
    house.hear(make.user(5, "eve"))
    event, sealed = make.order(5), make.seal(make.order(5))
    house.hear_again(event, sealed)
    house.send()
    with house.database.engine.begin() as connection:
        for table in ("deliveries", "notice_parts", "notices"):
            connection.execute(text(f"DELETE FROM {table}"))

    house.hear_again(event, sealed)
    house.send()

    assert len(house.post.sent) == 2
