# SPDX-License-Identifier: Apache-2.0
"""An order's story from the log, whatever the order in which it was told; notifier is a stub."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from analytics.timeline import Mails, story_of
from common.context import Trace, traced
from common.contracts import OrderRejected, ReservationOverdue, StockChanged, StockLow
from common.problems import Unavailable

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ADA, EVE = 1, 5
LAMP = 42
SHAPE = {
    *("at", "event_id", "type", "source", "subject", "actor", "correlation_id", "causation_id"),
    "summary",
}


class Notifier:
    """Notifier's side: its notifications by event id."""

    status = 200

    def __init__(self):
        self.items = []
        self.asked = []
        self.is_away = False

    def get(self, path):
        if self.is_away:
            raise Unavailable
        self.asked = path.partition("event_ids=")[2].split(",")
        return self

    def json(self):
        return {"items": [item for item in self.items if item["event_id"] in self.asked]}

    def mailed(self, told, user_id, subject, *, after):
        at = (NOON + timedelta(seconds=after)).isoformat()
        item = {"id": str(uuid4()), "event_id": str(told[1].id), "user_id": user_id}
        self.items.append(
            item | {"subject": subject, "status": "sent", "created_at": at, "sent_at": at}
        )


@pytest.fixture
def notifier():
    return Notifier()


@pytest.fixture
def ask(client, token_factory, notifier):
    client.application.extensions["mails"] = Mails(notifier)

    def get(order_id, user_id=ADA, role="user"):
        headers = token_factory.bearer(user_id, "somebody", role)
        return client.get(f"/v1/orders/{order_id}/timeline", headers=headers)

    return get


@pytest.fixture
def story(teller, notifier):
    """An order that ran a stock low, was sold, and was taken back; another one beside it."""

    class Story:
        def __init__(self):
            self.id, self.other_id = str(uuid4()), str(uuid4())
            with traced(Trace(correlation_id="a" * 32, actor="user/1")):
                # The reserving service's clock goes ahead of that of orders.
                self.low = teller.told(
                    StockLow(product_id=LAMP, sku="L", name="Lamp", available=1, threshold=2),
                    at=NOON + timedelta(seconds=2),
                )
                self.placed = teller.placed(self.id, (LAMP, 2, 500))
                self.other = teller.placed(self.other_id, (LAMP, 1, 500))
            with traced(Trace(correlation_id="b" * 32, actor="user/1")):
                self.cancelled = teller.cancelled(self.id, (LAMP, 2, 500))
            self.sold = self.caused_by(self.placed, -2, after=-3)
            self.returned = self.caused_by(self.cancelled, 2, after=301)
            self.other_sold = self.caused_by(self.other, -1, after=1)

        def caused_by(self, cause, delta, *, after):
            envelope = cause[1]
            trace = Trace(
                correlation_id=envelope.correlationid,
                causation_id=str(envelope.id),
                actor=envelope.actor,
            )
            with traced(trace):
                return teller.told(
                    StockChanged(
                        product_id=LAMP, delta=delta, reason="sold", on_hand=7, available=5
                    ),
                    at=NOON + timedelta(seconds=after),
                )

    return Story()


def told(answer):
    assert answer.status_code == 200, answer.text
    return [item["event_id"] for item in answer.json["items"]]


def ids(*told_events):
    return [str(envelope.id) for _, envelope in told_events]


def test_the_story_is_told_from_cause_to_effect_in_whatever_order_it_came(
    hear, ask, story, database
):
    """The sale's clock is behind: its time is earlier than that of the order that it is due to."""
    events = [story.placed, story.sold, story.cancelled, story.returned]
    for order in permutations(events):
        with database.engine.begin() as connection:
            for table in ("event_log", "sales", "product_minutes"):
                connection.execute(text(f"DELETE FROM {table}"))
        hear(*order, *order)

        assert told(ask(story.id)) == ids(*events)


def test_an_admin_and_an_analyst_see_also_what_else_came_of_the_request(hear, ask, story):
    hear(story.low, story.placed, story.sold, story.cancelled, story.returned)
    whole = ids(story.placed, story.sold, story.low, story.cancelled, story.returned)

    assert told(ask(story.id, EVE, "admin")) == whole
    assert told(ask(story.id, EVE, "analyst")) == whole
    assert set(told(ask(story.id))) == set(whole) - set(ids(story.low))


def test_another_order_of_the_same_request_is_another_story(hear, ask, story):
    hear(story.placed, story.sold, story.other, story.other_sold)

    assert told(ask(story.id, EVE, "admin")) == ids(story.placed, story.sold)
    assert told(ask(story.other_id, EVE, "admin")) == ids(story.other, story.other_sold)


def test_what_a_clocks_round_did_for_others_is_not_told(hear, ask, teller):
    order_id = str(uuid4())
    with traced(Trace(correlation_id="c" * 32, actor="clock/sweep")):
        rejected = teller.told(OrderRejected(order_id=order_id, reason="abandoned"))
        of_another = teller.told(
            StockLow(product_id=7, sku=None, name="Cup", available=0, threshold=1)
        )
    hear(rejected, of_another)

    assert told(ask(order_id, EVE, "admin")) == ids(rejected)


def test_mails_stand_behind_what_they_tell_of(hear, ask, story, notifier):
    hear(story.low, story.placed, story.sold, story.cancelled)
    notifier.mailed(story.placed, ADA, "Your order", after=1)
    notifier.mailed(story.low, EVE, "Lamp is low", after=3)
    notifier.mailed(story.other, ADA, "Not this one", after=1)

    def shown(answer):
        return [(item["type"], item["summary"]) for item in answer.json["items"]]

    assert shown(ask(story.id, EVE, "admin")) == [
        ("OrderPlaced", "Placed: 2 × 42; 10.00 USD"),
        ("StockChanged", "Stock of product 42 -2: sold"),
        ("Mail", "Your order (sent)"),
        ("StockLow", "Stock of Lamp is low: 1 left"),
        ("Mail", "Lamp is low (sent)"),
        ("OrderCancelled", "Cancelled: 2 × 42; 10.00 USD"),
    ]
    assert [kind for kind, _ in shown(ask(story.id))] == [
        *("OrderPlaced", "StockChanged", "Mail", "OrderCancelled"),
    ]


def test_every_item_says_why_and_by_whom(hear, ask, story, notifier):
    hear(story.placed, story.sold)
    notifier.mailed(story.placed, ADA, "Your order", after=1)

    answer = ask(story.id)

    placed, sold, mail = answer.json["items"]
    assert set(placed) == set(sold) == set(mail) == SHAPE
    assert answer.json["order_id"] == story.id
    assert answer.json["unavailable"] == []
    assert (placed["at"], placed["actor"]) == ("2026-11-20T12:00:00.000Z", "user/1")
    assert placed["causation_id"] is None
    assert sold["causation_id"] == mail["causation_id"] == placed["event_id"]
    assert {placed["correlation_id"], sold["correlation_id"], mail["correlation_id"]} == {"a" * 32}
    assert (mail["source"], mail["subject"]) == ("/souk/notifier", f"user/{ADA}")


def test_without_notifier_the_rest_is_told_and_what_is_missing_named(hear, ask, story, notifier):
    hear(story.placed, story.sold)
    notifier.is_away = True

    answer = ask(story.id)

    assert told(answer) == ids(story.placed, story.sold)
    assert answer.json["unavailable"] == ["notifier"]


def test_a_notifier_that_refuses_us_is_one_that_is_missing(hear, ask, story, notifier):
    hear(story.placed)
    notifier.status = 403

    assert ask(story.id).json["unavailable"] == ["notifier"]


def test_nobody_else_learns_that_there_is_such_an_order(hear, ask, story, client):
    hear(story.placed)

    strange, missing = ask(story.id, EVE), ask(uuid4(), EVE)

    assert strange.status_code == missing.status_code == 404
    assert strange.json["code"] == missing.json["code"] == "order_not_found"
    assert ask("4711", EVE, "admin").status_code == 404
    assert client.get(f"/v1/orders/{story.id}/timeline").status_code == 401


def test_a_rejected_order_is_told_to_those_who_may_read_all(hear, ask, teller):
    """No event names its customer."""
    order_id = str(uuid4())
    overdue = teller.told(ReservationOverdue(order_id=order_id, reserved_at=NOON))
    envelope = overdue[1]
    with traced(Trace(correlation_id="c" * 32, causation_id=str(envelope.id), actor="system")):
        rejected = teller.told(OrderRejected(order_id=order_id, reason="unknown"), at=NOON)
    hear(rejected, overdue)

    assert ask(order_id).status_code == 404
    assert told(ask(order_id, EVE, "analyst")) == ids(overdue, rejected)


def test_a_row_that_nobody_can_read_any_more_does_not_hide_the_others(hear, ask, story, database):
    hear(story.placed, story.sold)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE event_log SET body = '{}' WHERE type = 'StockChanged'"))

    assert told(ask(story.id, EVE, "admin")) == ids(story.placed, story.sold)


def test_a_story_is_read_through_indexes(database, hear, story, teller):
    """Its cost does not grow with the log."""

    def rows_read(session) -> int:
        status = session.execute(text("SHOW SESSION STATUS LIKE 'Handler_read%'"))
        return sum(int(row.Value) for row in status)

    def cost(session) -> int:
        before = rows_read(session)
        assert len(story_of(session, order_id=UUID(story.id)).items) == 2
        return rows_read(session) - before

    hear(story.placed, story.sold)
    hear(*(teller.placed(str(uuid4()), (7, 1, 100)) for _ in range(300)))

    assert database.read(cost) < 100
