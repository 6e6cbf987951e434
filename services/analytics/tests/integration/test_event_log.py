# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from analytics.commands import LOGGED_AT_ONCE, append_to_log
from analytics.handlers import BATCH_HANDLERS
from analytics.models import LoggedEvent
from common.context import Trace, traced
from common.contracts import (
    EVENTS,
    OrderRejected,
    StockChanged,
    UserRegistered,
)
from common.events import Envelope

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def log(session) -> list[LoggedEvent]:
    return list(session.scalars(select(LoggedEvent).order_by(LoggedEvent.seq)))


def test_every_event_has_a_handler():
    assert BATCH_HANDLERS.keys() == set(EVENTS.values())


@pytest.mark.parametrize(
    "event",
    [
        OrderRejected(order_id="o-1", reason="insufficient_stock"),
        StockChanged(product_id=42, delta=-1, reason="sold", on_hand=2, available=2),
        UserRegistered(
            user_id=1, username="ada", email=None, fullname="Ada ☃", role="user", guest=False
        ),
    ],
    ids=lambda event: event.type(),
)
def test_an_event_is_written_down_whole_and_once(database, hear, teller, event):
    with traced(Trace(correlation_id="c" * 32, causation_id="cause", actor="user/1")):
        told = teller.told(event, version=9)
    hear(told, told)

    (row,) = database.read(log)
    envelope = told[1]
    assert (row.event_id, row.type, row.subject) == (envelope.id, event.type(), event.subject())
    assert (row.source, row.version) == (f"/souk/{event.publisher}", "1")
    assert (row.time, row.aggregate_version) == (NOON, 9)
    assert (row.correlation_id, row.causation_id, row.actor) == ("c" * 32, "cause", "user/1")
    assert Envelope.from_json(row.body) == envelope
    assert type(event).model_validate(Envelope.from_json(row.body).data) == event


def test_the_same_news_under_two_ids_are_two_rows(database, hear, teller):
    hear(teller.placed("o-1", (42, 1, 100)), teller.placed("o-1", (42, 1, 100)))

    first, second = database.read(log)
    assert first.seq < second.seq
    assert first.subject == second.subject == "order/o-1"


def test_of_many_events_those_that_are_known_are_told_apart(database, teller):
    """Also where a batch is more than one statement, and parts of it were just written."""
    told = [teller.placed(f"o-{n}", (42, 1, 100))[1] for n in range(2 * LOGGED_AT_ONCE + 7)]
    known = {told[n].id for n in (3, LOGGED_AT_ONCE, 2 * LOGGED_AT_ONCE + 6)}
    database.run(append_to_log, envelopes=[one for one in told if one.id in known])

    assert database.run(append_to_log, envelopes=told) == known

    assert {row.event_id for row in database.read(log)} == {one.id for one in told}
    assert len(database.read(log)) == len(told)
