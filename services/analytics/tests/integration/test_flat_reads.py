# SPDX-License-Identifier: Apache-2.0
"""What is read depends on what is asked for, not on all that there is."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from analytics import queries
from analytics.handlers import on_products_viewed
from analytics.measures import business
from analytics.windows import Window

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LAMP, CHAIR = 42, 43
WINDOW = Window(start=NOON, end=NOON + HOUR, width=timedelta(minutes=1))

REPORTS = {
    "a series": lambda session: queries.product_series(session, product_id=LAMP, window=WINDOW),
    "a ranking": lambda session: queries.top_products(
        session, metric="views", window=WINDOW, limit=10
    ),
    "the hour's business": lambda session: business(session, until=NOON + HOUR),
}


@pytest.fixture
def around(database, teller):
    """Stores views of two products in the hours before the one that is asked for, and after it."""

    def store(hours: range) -> None:
        views = [
            teller.view(product, at=NOON + number * HOUR + timedelta(minutes=minute))
            for number in hours
            for minute in range(0, 60, 2)
            for product in (LAMP, CHAIR)
        ]
        database.run(on_products_viewed, views)
        with database.engine.begin() as connection:
            connection.execute(text("ANALYZE TABLE views, product_minutes"))

    return store


def rows_read(database, report) -> int:
    def total(session) -> int:
        status = session.execute(text("SHOW SESSION STATUS LIKE 'Handler_read%'"))
        return sum(int(row.Value) for row in status)

    def read(session) -> int:
        before = total(session)
        report(session)
        return total(session) - before

    # What the first one of a connection looks up in the dictionary is not its own.
    database.read(read)
    return database.read(read)


@pytest.mark.parametrize("number", [1, 2, 40])
def test_known_views_are_looked_up_and_not_looked_for(database, teller, number):
    views = [teller.view(at=NOON + timedelta(seconds=second)) for second in range(1000)]
    database.run(on_products_viewed, views)
    with database.engine.begin() as connection:
        connection.execute(text("ANALYZE TABLE views"))
    again = views[500 : 500 + number]

    def handle(session) -> None:
        assert len(on_products_viewed(session, again)) == number

    assert rows_read(database, handle) <= 4 * number + 10


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_reads_no_more_rows_when_there_is_more_around_it(database, around, name):
    # Less than this is read as a whole, and a query's plan is another one.
    around(range(-4, 5))
    little = rows_read(database, REPORTS[name])
    around(range(-40, -4))
    around(range(5, 41))

    # A server may look once more into a table, a partition or the end of a range.
    assert rows_read(database, REPORTS[name]) <= little + 10


def test_a_longer_range_reads_more(database, around):
    """If this fails, the test above proves nothing."""
    around(range(2))
    longer = Window(start=NOON, end=NOON + 2 * HOUR, width=timedelta(minutes=1))

    short = rows_read(database, REPORTS["a ranking"])

    def ranking(session):
        return queries.top_products(session, metric="views", window=longer, limit=10)

    assert rows_read(database, ranking) >= short + 50
