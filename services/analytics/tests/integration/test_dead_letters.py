# SPDX-License-Identifier: Apache-2.0
"""Everybody's dead letters: analytics' own on the real broker, the others' told by stubs."""

import socket
import threading
from contextlib import nullcontext
from uuid import uuid4

import pytest
from pika import BasicProperties

from analytics.dead_letters import READ_SECONDS, DeadLetterOffice
from analytics.handlers import BATCH_HANDLERS
from common import inbox
from common.amqp import Topology, queue_name
from common.amqp.connection import connect
from common.amqp.topology import DEAD_EXCHANGE, EVENTS_EXCHANGE
from common.contracts import SUBSCRIPTIONS, OrderCancelled, OrderPlaced, ProductViewed
from common.dead_letters import DeadLetters
from common.http import Client
from common.metrics import HANDLED
from common.problems import Unavailable
from common.subscriber import Subscriber
from common.testing import eventually, ever_within
from common.testing.leisure import visits_at_leisure
from common.tokens import ServiceTokens

LAMP = 42
EVENTS = (ProductViewed, OrderPlaced, OrderCancelled)
SMALL = Topology(service="analytics", events=EVENTS, streams=(ProductViewed,))
LIST, REQUEUE = "/v1/dead-letters", "/v1/dead-letters/requeue"


def letter(consumer, died_at):
    event_id = str(uuid4())
    return {
        "id": event_id,
        "handle": event_id,
        "consumer": consumer,
        "event_type": "OrderPlaced",
        "subject": "order/1",
        "reason": "failed",
        "error": "LookupError: nothing",
        "attempts": 6,
        "died_at": died_at,
        "correlation_id": "c0",
        "data": {"order_id": "1"},
    }


class Service:
    """Another service's side, with what it was asked; *status* says how it takes it."""

    def __init__(self, *items):
        self.items, self.status, self.asked = list(items), 200, []

    def get(self, path):
        return self._answer(path)

    def post(self, path, body):
        return self._answer((path, body))

    def _answer(self, asked):
        self.asked.append(asked)
        if self.status is None:
            raise Unavailable
        return self

    def json(self):
        return {
            "items": self.items,
            "total": len(self.items),
            "remaining": 0,
            "dry_run": False,
        }


@pytest.fixture
def services():
    return {
        "catalog": Service(letter("catalog", "2026-11-20T12:00:02.000Z")),
        "notifier": Service(letter("notifier", "2026-11-20T12:00:01.000Z")),
        "orders": Service(),
    }


@pytest.fixture
def patience():
    """Seconds that an answer about our own letters may take: a busy machine is no fault of it."""
    return 60.0


@pytest.fixture
def own(amqp_url, fresh_queues, patience):
    fresh_queues(SMALL)
    with visits_at_leisure(patience) if patience else nullcontext():
        yield DeadLetters(
            amqp_url, Topology(service="analytics", events=SUBSCRIPTIONS["analytics"])
        )


@pytest.fixture
def admin(client, token_factory, own, services):
    """Asks as an admin: ``admin("GET", path)``."""
    client.application.extensions["dead_letters"] = DeadLetterOffice(own, services)
    headers = token_factory.bearer(1, "ada", "admin")

    def ask(method, path, **options):
        return client.open(path, method=method, headers=headers, **options)

    return ask


@pytest.fixture
def broker(amqp_url):
    connection = connect(amqp_url, "tests")
    channel = connection.channel()
    channel.confirm_delivery()
    yield channel
    connection.close()


@pytest.fixture
def bury(broker, own):
    """Puts events among analytics' own dead."""

    def put(*told):
        headers = {
            "x-souk-attempt": 6,
            "x-souk-reason": "LookupError: nothing",
            "x-souk-died-at": "2026-11-20T12:00:00.000Z",
        }
        for event, envelope in told:
            broker.basic_publish(
                DEAD_EXCHANGE,
                f"{queue_name('analytics', event.type())}.dead",
                envelope.to_json(),
                BasicProperties(headers=headers, delivery_mode=2),
                mandatory=True,
            )

    return put


def test_an_admin_sees_everybodys_letters_oldest_first(admin, services, bury, teller):
    told = teller.placed("o-1", (LAMP, 1, 100))
    bury(told)

    answer = admin("GET", LIST).get_json()

    assert [one["consumer"] for one in answer["items"]] == ["analytics", "notifier", "catalog"]
    assert (answer["total"], answer["unavailable"]) == (3, [])
    assert answer["items"][0]["id"] == str(told[1].id)
    assert answer["items"][1:] == [services["notifier"].items[0], services["catalog"].items[0]]


def test_a_consumer_a_type_and_a_limit_choose(admin, services, bury, teller):
    bury(teller.placed("o-1", (LAMP, 1, 100)), teller.view())

    only = admin("GET", f"{LIST}?consumer=catalog&type=OrderPlaced&limit=7").get_json()
    own = admin("GET", f"{LIST}?consumer=analytics&type=ProductViewed").get_json()
    short = admin("GET", f"{LIST}?limit=1").get_json()

    assert [one["consumer"] for one in only["items"]] == ["catalog"]
    assert services["catalog"].asked[0] == "/internal/dead-letters?limit=7&type=OrderPlaced"
    assert [one["event_type"] for one in own["items"]] == ["ProductViewed"]
    assert (len(short["items"]), short["total"]) == (1, 4)
    assert services["notifier"].asked == ["/internal/dead-letters?limit=1"]


@pytest.mark.parametrize("status", [None, 401, 404])
def test_who_is_away_is_named_and_the_others_answer(admin, services, status):
    services["catalog"].status = status

    listing = admin("GET", LIST).get_json()
    requeued = admin("POST", REQUEUE, json={"dry_run": True})

    assert [one["consumer"] for one in listing["items"]] == ["notifier"]
    assert listing["unavailable"] == ["catalog"]
    assert (requeued.status_code, requeued.get_json()["unavailable"]) == (200, ["catalog"])
    assert admin("GET", f"{LIST}?consumer=catalog").status_code == 503


def test_everything_is_asked_to_be_sent_back_unless_less_is_said(admin, services, bury, teller):
    told = teller.placed("o-1", (LAMP, 1, 100))
    bury(told)

    answer = admin("POST", REQUEUE, json={})

    assert answer.status_code == 200
    done = answer.get_json()
    assert {one["consumer"] for one in done["items"]} == {"analytics", "notifier", "catalog"}
    assert (done["dry_run"], done["remaining"], done["unavailable"]) == (False, 0, [])
    body = {"ids": None, "event_type": None, "limit": 100, "dry_run": False}
    assert services["orders"].asked == [("/internal/dead-letters", body)]
    assert admin("GET", f"{LIST}?consumer=analytics").get_json()["items"] == []


def test_one_letter_of_one_consumer_is_sent_back(admin, services, bury, teller, broker):
    first, second = (teller.placed(f"o-{number}", (LAMP, 1, 100)) for number in range(2))
    bury(first, second)
    wanted = {"consumer": "analytics", "ids": [str(second[1].id)], "event_type": "OrderPlaced"}

    tried = admin("POST", REQUEUE, json=wanted | {"dry_run": True}).get_json()
    done = admin("POST", REQUEUE, json=wanted).get_json()

    assert (tried["remaining"], done["remaining"]) == (2, 1)
    assert [one["id"] for one in tried["items"]] == [str(second[1].id)]
    assert done["items"] == tried["items"]
    _, _, body = broker.basic_get("analytics.order_placed", auto_ack=True)
    assert body == second[1].to_json()
    assert all(service.asked == [] for service in services.values())


@pytest.mark.parametrize(
    "path", ["?limit=0", "?limit=201", "?type=Nothing", "?consumer=auth", "?x=1"]
)
def test_a_question_that_makes_no_sense_is_refused(admin, path):
    assert admin("GET", LIST + path).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 501},
        {"ids": []},
        {"ids": [7]},
        {"ids": ["x" * 65]},
        {"dry_run": "no"},
        {"event_type": "Nothing"},
        {"consumer": "auth"},
        {"all": True},
        [],
    ],
)
def test_an_order_that_makes_no_sense_is_refused(admin, services, body):
    assert admin("POST", REQUEUE, json=body).status_code == 422
    assert services["catalog"].asked == []


def test_only_admins_may_look_and_send_back(client, token_factory):
    for role in ("user", "analyst"):
        headers = token_factory.bearer(5, "eve", role)
        assert client.get(LIST, headers=headers).status_code == 403
        assert client.post(REQUEUE, headers=headers, json={}).status_code == 403
    assert client.get(LIST).status_code == 401
    assert client.post(REQUEUE, json={}).status_code == 401


@pytest.fixture
def deaf_port():
    """Somebody who takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_whoever_hangs_or_is_gone_holds_nobody_up_for_three_seconds(
    admin, client, own, service_key, deaf_port
):
    tokens = ServiceTokens(service_key, "analytics")
    others = {
        "catalog": Client(f"http://127.0.0.1:{deaf_port}", tokens, read_seconds=READ_SECONDS),
        "orders": Client("http://127.0.0.1:1", tokens, read_seconds=READ_SECONDS),
    }
    client.application.extensions["dead_letters"] = DeadLetterOffice(own, others)

    for method, path, body in [("GET", LIST, None), ("POST", REQUEUE, {})]:

        def asked(method=method, path=path, body=body):
            answer = admin(method, path, json=body)
            unavailable = answer.get_json()["unavailable"]
            assert (answer.status_code, unavailable) == (200, ["catalog", "orders"])

        assert ever_within(3, asked)


@pytest.mark.parametrize("patience", [None], ids=["as long as a request waits"])
@pytest.mark.parametrize("broker_port", ["gone", "deaf"])
def test_without_a_broker_the_answer_is_503_within_three_seconds(
    admin, client, services, deaf_port, broker_port
):
    for service in services.values():
        service.status = None
    port = deaf_port if broker_port == "deaf" else 1
    away = DeadLetters(f"amqp://x:x@127.0.0.1:{port}/souk", SMALL)
    client.application.extensions["dead_letters"] = DeadLetterOffice(away, services)

    for method, path, body in [("GET", LIST, None), ("POST", REQUEUE, {})]:

        def asked(method=method, path=path, body=body):
            answer = admin(method, path, json=body)
            assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)

        assert ever_within(3, asked)


def test_what_the_inbox_has_forgotten_counts_once_when_it_is_sent_back(
    database, amqp_url, own, bury, broker, teller, counted
):
    told = [teller.view(), teller.placed("o-1", (LAMP, 2, 100))]
    before = settled()
    stop = threading.Event()
    reading = Subscriber(
        database, amqp_url, SMALL, {}, {event: BATCH_HANDLERS[event] for event in EVENTS}
    )
    thread = threading.Thread(target=reading.run, args=(stop,))
    thread.start()
    try:
        for _, envelope in told * 2:
            broker.basic_publish(EVENTS_EXCHANGE, envelope.routing_key, envelope.to_json())
        eventually(lambda: settled() == before + 4)
        once = counted()
        assert list(once.values()) == [(1, 1, 2, 200)]
        # Views are known by their own rows, and never were in the inbox.
        assert inbox.forget_handled(database, keep_days=-1) == 1
        bury(*told)

        done = own.requeue(ids=None, event_type=None, limit=100, dry_run=False)

        assert len(done.items) == len(told)
        eventually(lambda: settled() == before + 6)
        assert counted() == once
    finally:
        stop.set()
        thread.join(timeout=15)
    assert own.list(event_type=None, limit=10).items == []


def settled() -> float:
    """How many deliveries this process has handled."""
    return sum(
        HANDLED.labels(event.type(), outcome)._value.get()
        for event in EVENTS
        for outcome in ("done", "duplicate")
    )
