# SPDX-License-Identifier: Apache-2.0
"""Days of views: made ahead, dropped whole, and never counted again."""

from datetime import UTC, date, datetime, timedelta
from threading import Thread

import pytest
from sqlalchemy import event as hooks
from sqlalchemy import func, select, text

from analytics import days, queries
from analytics.audit import INVARIANTS
from analytics.errors import DayClosed
from analytics.handlers import on_products_viewed
from analytics.models import View
from common.audit import examine
from common.db import Database
from common.migrations import migrate_to_head
from common.roles import migrations_of
from common.testing import eventually

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
A_DAY = timedelta(days=1)
LAMP, CHAIR = 42, 43


@pytest.fixture
def database(new_schema):
    """A schema of its own: partitions of other tests would be in the way."""
    url = new_schema("analytics")
    migrate_to_head(url, migrations_of("analytics"))
    database = Database(url)
    yield database
    database.dispose()


def noon_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def add(database, today: date, *, ahead: int = 0) -> list[str]:
    return database.run(days.add_partitions, today=today, days_ahead=ahead)


@pytest.fixture
def told(database, hear, teller):
    """A view of the lamp on each of four days, the last of which is today."""
    for number in range(4):
        add(database, (NOON + number * A_DAY).date())
    views = [teller.view(at=NOON + number * A_DAY) for number in range(4)]
    hear(*views)
    return views


TODAY = (NOON + 3 * A_DAY).date()
NAMES = ["p20261120", "p20261121", "p20261122", "p20261123"]


def drop(database, kept_days: int = 1) -> list[str]:
    return days.drop_old(database, today=TODAY, kept_days=kept_days)


def stored(database) -> list[datetime]:
    return database.read(lambda session: list(session.scalars(select(View.at).order_by(View.at))))


def violations(database) -> list[str]:
    return [one.subject for check in examine(database, INVARIANTS) for one in check.violations]


def test_old_days_go_in_one_statement_and_their_counts_stay(database, told, counted):
    before, sent = counted(), []

    def note(_connection, _cursor, statement, *_):
        sent.append(statement)

    hooks.listen(database.engine, "before_cursor_execute", note)
    try:
        assert drop(database) == NAMES[:2]
    finally:
        hooks.remove(database.engine, "before_cursor_execute", note)

    assert [one for one in sent if one.startswith(("ALTER", "DELETE"))] == [
        "ALTER TABLE views DROP PARTITION p20261120, p20261121"
    ]
    assert database.read(days.partitions) == NAMES[2:]
    assert stored(database) == [NOON + 2 * A_DAY, NOON + 3 * A_DAY]
    assert counted() == before
    assert violations(database) == []
    assert drop(database) == []


def test_the_whole_past_can_go(database, told, counted):
    before = counted()

    assert drop(database, kept_days=0) == NAMES[:3]

    assert (stored(database), counted()) == ([noon_of(TODAY)], before)
    assert violations(database) == []


def test_a_view_whose_row_was_dropped_is_not_counted_again(database, told, hear, counted):
    before = counted()
    drop(database)

    for again in told[:2]:
        with pytest.raises(DayClosed):
            hear(again)
    hear(*told[2:])

    assert (counted(), len(stored(database))) == (before, 2)
    assert violations(database) == []


def test_it_would_count_twice_without_the_horizon(database, told, hear, counted):
    """If this fails, the test above proves nothing."""
    drop(database)
    with database.engine.begin() as connection:
        connection.execute(text("DELETE FROM view_horizon"))

    hear(told[0])

    assert counted()[NOON, LAMP] == (2, 0, 0, 0)


def test_a_late_view_of_a_day_that_is_kept_counts(database, told, hear, teller, counted):
    drop(database)
    hear(teller.view(CHAIR, at=NOON + 2 * A_DAY - timedelta(hours=12)))

    assert counted()[NOON + 2 * A_DAY - timedelta(hours=12), CHAIR] == (1, 0, 0, 0)
    assert violations(database) == []


def test_the_horizon_never_comes_back(database, told, hear):
    drop(database)
    since = database.read(queries.views_since)
    add(database, TODAY - 9 * A_DAY)
    drop(database, kept_days=300)

    assert database.read(queries.views_since) == since == datetime(2026, 11, 22, tzinfo=UTC)


def test_what_is_not_counted_right_is_not_dropped(database, told, counted):
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE product_minutes SET views = 7 WHERE minute < '2026-11-22'"))

    assert drop(database) == []

    assert len(stored(database)) == 4
    assert database.read(queries.views_since) is None
    assert violations(database) == [f"product/{LAMP}"]


def test_a_view_that_is_being_stored_counts_before_its_day_goes(database, told, teller, counted):
    late, later = teller.view(CHAIR), teller.view(CHAIR)
    dropped: list[str] = []
    with database.sessions.begin() as writing:
        on_products_viewed(writing, [late])
        dropping = Thread(target=lambda: dropped.extend(drop(database)))
        dropping.start()
        eventually(lambda: database.read(queries.views_since) is not None)
        assert dropped == []
    dropping.join(timeout=30)

    assert dropped == NAMES[:2]
    assert counted()[NOON, CHAIR] == (1, 0, 0, 0)
    assert len(stored(database)) == 2
    with pytest.raises(DayClosed):
        database.run(on_products_viewed, [later])


def test_days_that_nobody_made_get_their_partitions_after_weeks(database, told, hear, teller):
    back = TODAY + 21 * A_DAY
    hear(*(teller.view(at=noon_of(TODAY + number * A_DAY)) for number in (1, 20, 21, 22)))

    new = add(database, back, ahead=7)

    assert (len(new), new[0], new[-1]) == (28, "p20261124", "p20261221")
    assert add(database, back, ahead=7) == []
    with database.engine.connect() as connection:
        for name in ("p20261124", "p20261213", "p20261214", "p20261215"):
            query = select(func.count()).select_from(text(f"views PARTITION ({name})"))
            assert connection.scalar(query) == 1, name
