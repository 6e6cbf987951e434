# SPDX-License-Identifier: Apache-2.0
"""The log replayed to one consumer. Analytics is its own; the others are stubs that keep it."""

from datetime import UTC, datetime, timedelta
from threading import Event as Signal
from threading import Thread
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import func, select, text

from analytics import replay
from analytics.handlers import BATCH_HANDLERS
from analytics.models import LoggedEvent
from analytics.replay import Consumers
from common.amqp import Topology
from common.amqp.connection import connect
from common.contracts import OrderCancelled, OrderPlaced, StockChanged
from common.events import Envelope
from common.metrics import HANDLED
from common.problems import Unavailable
from common.replay import MOST_EVENTS, Replayer
from common.subscriber import Subscriber
from common.testing import eventually

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LAMP = 42
SMALL = Topology(service="analytics", events=(OrderPlaced, OrderCancelled))


class Consumer:
    """Another service's side: keeps the bodies that it is sent."""

    def __init__(self):
        self.calls = []
        self.answer = 200, {}
        self.is_away = False

    @property
    def bodies(self):
        return [text for call in self.calls for text in call]

    def post(self, path, body):
        assert path == "/internal/replay"
        if self.is_away:
            raise Unavailable
        self.calls.append(body["events"])
        return self

    @property
    def status(self):
        return self.answer[0]

    def json(self):
        return self.answer[1]


@pytest.fixture
def catalog():
    return Consumer()


@pytest.fixture
def notifier():
    return Consumer()


@pytest.fixture
def replayed(client, database, amqp_url, token_factory, catalog, notifier, monkeypatch):
    monkeypatch.setattr("common.replay.BROKER_SECONDS", 30.0)  # a busy machine is no fault
    own = Replayer(amqp_url, SMALL)
    others = {"catalog": catalog, "notifier": notifier, "orders": Consumer()}
    client.application.extensions["consumers"] = Consumers(database, own, others)

    def post(consumer="catalog", role="admin", **changes):
        hour = {"from": "2026-11-20T12:00:00Z", "to": "2026-11-20T13:00:00Z"}
        wanted = hour | {"consumer": consumer, "dry_run": False} | changes
        headers = token_factory.bearer(1, "ada", role)
        return client.post("/v1/events/replay", json=wanted, headers=headers)

    return post


@pytest.fixture
def history(hear, teller):
    """Twelve events from noon on, a minute each, and one on each side of the hour."""
    before = teller.placed("before", (LAMP, 1, 100), at=NOON - timedelta(milliseconds=1))
    after = teller.placed("after", (LAMP, 1, 100), at=NOON + timedelta(hours=1))
    told = []
    for number in range(6):
        at = NOON + timedelta(minutes=2 * number)
        told.append(teller.placed(f"o-{number}", (LAMP, 1, 100), at=at))
        changed = StockChanged(product_id=LAMP, delta=-1, reason="x", on_hand=9, available=9)
        told.append(teller.told(changed, at=at + timedelta(minutes=1), version=number))
    hear(after, *reversed(told), before)
    return [envelope.to_json().decode() for _, envelope in told]


def shown(answer):
    assert answer.status_code == 200, answer.text
    return answer.json


def kinds(bodies):
    return [orjson.loads(body)["type"] for body in bodies]


def test_a_dry_run_counts_the_whole_stretch_and_sends_nothing(replayed, history, notifier, catalog):
    said = shown(replayed("notifier", dry_run=True))
    few = shown(replayed("catalog", dry_run=True, limit=1))

    assert said == {
        "consumer": "notifier",
        "dry_run": True,
        "events": 12,
        "by_type": {"OrderPlaced": 6, "StockChanged": 6},
        "next_cursor": None,
    }
    assert few["by_type"] == {"OrderPlaced": 6}
    assert notifier.calls == catalog.calls == []


def test_nothing_is_sent_where_nobody_said_whether(client, replayed, token_factory, catalog):
    wanted = {"from": "2026-11-20T12:00:00Z", "to": "2026-11-20T13:00:00Z", "consumer": "catalog"}
    headers = token_factory.bearer(1, "ada", "admin")

    answer = client.post("/v1/events/replay", json=wanted, headers=headers)

    assert shown(answer)["dry_run"] is True
    assert catalog.calls == []


def test_what_was_told_is_sent_to_the_byte_oldest_first_and_to_nobody_else(
    replayed, history, notifier, catalog
):
    said = shown(replayed("notifier"))

    assert notifier.bodies == history
    assert catalog.calls == []
    assert (said["events"], said["next_cursor"], said["dry_run"]) == (12, None, False)


def test_only_what_the_consumer_reads_is_sent_and_of_that_only_the_wanted_types(
    replayed, history, catalog, notifier
):
    shown(replayed("catalog"))
    shown(replayed("notifier", types=["StockChanged"]))

    assert kinds(catalog.bodies) == ["OrderPlaced"] * 6
    assert kinds(notifier.bodies) == ["StockChanged"] * 6


@pytest.mark.parametrize("limit", [1, 5, 11, 12, 13])
def test_a_cursor_goes_on_where_a_call_ended(replayed, history, notifier, limit):
    cursor, calls = None, 0
    while cursor or not calls:
        more = {"cursor": cursor} if cursor else {}
        said = shown(replayed("notifier", limit=limit, **more))
        cursor, calls = said["next_cursor"], calls + 1

    assert notifier.bodies == history
    assert calls == -(-12 // limit)


def test_a_cursor_is_good_for_its_own_stretch_only(replayed, history):
    cursor = shown(replayed("notifier", limit=1))["next_cursor"]

    for changes in ({"consumer": "catalog"}, {"types": ["OrderPlaced"]}):
        assert replayed(**({"consumer": "notifier"} | changes), cursor=cursor).status_code == 422


def test_many_events_of_one_moment_go_in_pages_and_requests_of_their_size(
    replayed, hear, teller, catalog, monkeypatch
):
    told = [teller.placed(f"o-{number}", (LAMP, 1, 100)) for number in range(MOST_EVENTS + 7)]
    hear(*told)
    monkeypatch.setattr(replay, "MOST_TEXT", len(told[0][1].to_json()) * 50 + 300)

    first = shown(replayed(limit=60))
    shown(replayed(cursor=first["next_cursor"]))

    sent = [orjson.loads(body)["id"] for body in catalog.bodies]
    assert sent == [str(envelope.id) for _, envelope in told]
    assert max(len(call) for call in catalog.calls) == 50


def test_an_event_that_is_longer_than_a_request_goes_alone(
    replayed, history, notifier, monkeypatch
):
    monkeypatch.setattr(replay, "MOST_TEXT", 1)

    shown(replayed("notifier"))

    assert [len(call) for call in notifier.calls] == [1] * 12


def test_a_consumer_that_is_away_is_a_503_and_can_be_asked_again(replayed, history, notifier):
    notifier.is_away = True
    assert replayed("notifier").status_code == 503

    notifier.is_away = False
    shown(replayed("notifier"))
    assert notifier.bodies == history


def test_a_consumer_that_says_no_is_a_409_with_its_reasons(replayed, history, notifier):
    reasons = {"events": {"0": ["happened more than 89 days ago"]}}
    notifier.answer = 422, {"errors": reasons}

    answer = replayed("notifier")

    assert (answer.status_code, answer.json["code"]) == (409, "replay_refused")
    assert answer.json["errors"] == reasons


def test_a_consumer_that_refuses_us_is_one_that_is_away(replayed, history, notifier):
    notifier.answer = 401, {}

    assert replayed("notifier").status_code == 503


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"consumer": "auth"}, "consumer"),
        ({"types": ["ProductViewed"], "consumer": "analytics"}, "types"),
        ({"types": ["StockChanged"]}, "types"),
        ({"types": ["Nonsense"]}, "types"),
        ({"types": []}, "types"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-20T13:00:00Z"}, "from"),
        ({"to": None}, "to"),
        ({"limit": 1001}, "limit"),
        ({"limit": 0}, "limit"),
        ({"dry_run": "no"}, "dry_run"),
        ({"cursor": "made up"}, "cursor"),
        ({"everything": True}, "everything"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(replayed, catalog, changes, field):
    answer = replayed(**changes)

    assert answer.status_code == 422
    assert any(name.startswith(field) for name in answer.json["errors"]), answer.json
    assert catalog.calls == []


def test_only_admins_may_replay(client, replayed):
    assert [replayed(role=role).status_code for role in ("user", "analyst")] == [403, 403]
    assert client.post("/v1/events/replay", json={}).status_code == 401


@pytest.fixture
def consumed(database, amqp_url):
    """Consumes what lies in analytics' own queues, and says how it was handled."""

    def outcomes() -> dict[str, float]:
        samples = [sample for metric in HANDLED.collect() for sample in metric.samples]
        counts: dict[str, float] = {}
        for sample in samples:
            if sample.name.endswith("_total"):
                outcome = sample.labels["outcome"]
                counts[outcome] = counts.get(outcome, 0) + sample.value
        return counts

    def consume(count: int) -> dict[str, float]:
        before, stop = outcomes(), Signal()
        handlers = {event: BATCH_HANDLERS[event] for event in SMALL.events}
        run = Subscriber(database, amqp_url, SMALL, {}, handlers).run
        thread = Thread(target=run, args=(stop,))
        thread.start()

        def new() -> dict[str, float]:
            return {
                outcome: value - before.get(outcome, 0)
                for outcome, value in outcomes().items()
                if value != before.get(outcome, 0)
            }

        try:
            eventually(lambda: sum(new().values()) >= count, seconds=30)
        finally:
            stop.set()
            thread.join(timeout=30)
        return new()

    return consume


def state(database, counted):
    rows = database.read(lambda session: session.scalar(select(func.count(LoggedEvent.seq))))
    return rows, counted()


@pytest.mark.parametrize("remembers", [True, False], ids=["inbox", "inbox has forgotten"])
def test_analytics_itself_gets_a_stretch_twice_and_nothing_doubles(
    replayed,
    hear,
    teller,
    database,
    fresh_queues,
    consumed,
    counted,
    recounted,
    amqp_url,
    remembers,
):
    fresh_queues(SMALL)
    for number in range(4):
        hear(teller.placed(f"o-{number}", (LAMP, 2, 100)))
    hear(teller.cancelled("o-3", (LAMP, 2, 100)))
    before = state(database, counted)
    wanted = {"consumer": "analytics", "types": ["OrderCancelled", "OrderPlaced"]}

    assert shown(replayed(**wanted))["events"] == 5
    assert set(consumed(5)) == {"duplicate"}, "heard by hand before: the log knows them"
    if not remembers:
        with database.engine.begin() as connection:
            connection.execute(text("DELETE FROM inbox_messages"))
    assert shown(replayed(**wanted))["events"] == 5
    assert set(consumed(5)) == {"duplicate"}

    assert state(database, counted) == before
    assert counted() == recounted()


def test_without_the_log_a_replay_is_what_builds_the_numbers(
    replayed, hear, teller, database, fresh_queues, consumed, counted
):
    """The control: these messages do have an effect where there was none."""
    fresh_queues(SMALL)
    hear(teller.placed("o-1", (LAMP, 2, 100)))
    before = counted()
    shown(replayed("analytics", types=["OrderPlaced"]))
    with database.engine.begin() as connection:
        for table in ("event_log", "sales", "product_minutes"):
            connection.execute(text(f"DELETE FROM {table}"))
    assert counted() == {}

    consumed(1)

    assert counted() == before


def test_the_brokers_copy_is_the_one_of_the_log(replayed, history, fresh_queues, amqp_url):
    fresh_queues(SMALL)

    shown(replayed("analytics", types=["OrderPlaced"], limit=1))

    connection = connect(amqp_url, "tests")
    _, properties, body = connection.channel().basic_get("analytics.order_placed", auto_ack=True)
    connection.close()
    assert body.decode() == history[0]
    assert properties.message_id == str(Envelope.from_json(body).id)


def test_a_replay_reads_no_more_of_the_log_than_it_sends(database, hear, teller):
    hear(*(teller.placed(str(uuid4()), (7, 1, 100)) for _ in range(300)))
    hear(teller.placed("o-1", (LAMP, 1, 100), at=NOON + timedelta(minutes=5)))
    stretch = replay.Stretch(
        start=NOON + timedelta(minutes=1), end=NOON + timedelta(hours=1), types=["OrderPlaced"]
    )

    def rows_read(session) -> int:
        status = session.execute(text("SHOW SESSION STATUS LIKE 'Handler_read%'"))
        return sum(int(row.Value) for row in status)

    def cost(session) -> int:
        before = rows_read(session)
        assert len(replay.page(session, stretch=stretch, limit=10)) == 1
        assert replay.count(session, stretch=stretch) == {"OrderPlaced": 1}
        return rows_read(session) - before

    assert database.read(cost) < 50
