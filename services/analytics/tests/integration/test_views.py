# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime, timedelta

from sqlalchemy import event as hooks
from sqlalchemy import func, select

from analytics.handlers import on_products_viewed
from analytics.models import LoggedEvent, View

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LAMP, CHAIR = 42, 43


def stored(session) -> int:
    return session.scalar(select(func.count(View.at)))


def test_a_view_is_stored_and_counted_in_its_own_minute(database, hear, teller, counted):
    late = NOON - timedelta(hours=24)
    hear(
        teller.view(at=NOON + timedelta(seconds=59, milliseconds=999)),
        teller.view(at=NOON + timedelta(seconds=60)),
        teller.view(at=late),
    )

    assert database.read(stored) == 3
    assert counted() == {
        (NOON, LAMP): (1, 0, 0, 0),
        (NOON + timedelta(minutes=1), LAMP): (1, 0, 0, 0),
        (late, LAMP): (1, 0, 0, 0),
    }


def test_the_same_view_counts_once_also_without_the_inbox(database, hear, teller, counted):
    view = teller.view()
    hear(view, view)
    database.run(on_products_viewed, [view, view, teller.view()])

    assert database.read(stored) == 2
    assert counted() == {(NOON, LAMP): (2, 0, 0, 0)}


def test_views_are_not_in_the_log(database, hear, teller):
    hear(teller.view())

    assert database.read(lambda session: session.scalar(select(func.count(LoggedEvent.seq)))) == 0


def test_a_batch_takes_three_statements_however_many_views(database, teller, counted):
    batch = [
        teller.view(product, viewer=viewer, at=NOON + timedelta(seconds=second))
        for product in (LAMP, CHAIR)
        for viewer in (None, 1, 2)
        for second in range(20)
    ]
    statements = []

    def count(_connection, _cursor, statement, *_):
        statements.append(statement.split()[0])

    hooks.listen(database.engine, "before_cursor_execute", count)
    try:
        database.run(on_products_viewed, batch)
    finally:
        hooks.remove(database.engine, "before_cursor_execute", count)

    assert statements == ["SELECT", "INSERT", "INSERT"]
    assert counted() == {(NOON, LAMP): (60, 0, 0, 0), (NOON, CHAIR): (60, 0, 0, 0)}
