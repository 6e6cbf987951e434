# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import event as hooks
from sqlalchemy import func, select, text, update

from analytics.commands import MOST_VIEWS
from analytics.handlers import on_products_viewed
from analytics.models import LoggedEvent, ProductMinute, View

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


@pytest.fixture
def batch(teller):
    return [
        teller.view(product, viewer=viewer, at=NOON + timedelta(seconds=second))
        for product in (LAMP, CHAIR)
        for viewer in (None, 1, 2)
        for second in range(20)
    ]


@pytest.fixture
def statements(database):
    """The first words of what is sent to the database."""
    sent = []

    def note(_connection, _cursor, statement, *_):
        sent.append(statement.split()[0])

    hooks.listen(database.engine, "before_cursor_execute", note)
    yield sent
    hooks.remove(database.engine, "before_cursor_execute", note)


SIXTY_EACH = {(NOON, LAMP): (60, 0, 0, 0), (NOON, CHAIR): (60, 0, 0, 0)}


def test_a_batch_takes_two_writes_however_many_views(database, batch, counted, statements):
    assert database.run(on_products_viewed, batch) == set()

    assert statements == ["INSERT", "SELECT", "INSERT"]
    assert counted() == SIXTY_EACH


@pytest.mark.parametrize("known", [1, 60, 119])
def test_what_is_known_of_a_batch_is_told_and_the_rest_counts(
    database, batch, counted, statements, known
):
    database.run(on_products_viewed, batch[::-1][:known])
    statements.clear()

    told = database.run(on_products_viewed, batch)

    assert told == {envelope.id for _, envelope in batch[::-1][:known]}
    asked = ["INSERT", "SELECT"]
    assert statements == [*asked, "INSERT", "SELECT", "INSERT"]
    assert counted() == SIXTY_EACH


@pytest.mark.parametrize("known", [0, 1, 60, 119])
def test_of_a_message_of_many_views_the_new_ones_count(
    database, teller, batch, counted, statements, known
):
    database.run(on_products_viewed, batch[::-1][:known])
    statements.clear()
    told = [teller.together(*batch[:50]), batch[49], teller.together(*batch[40:])]

    assert database.run(on_products_viewed, told) == {one.id for _, one in batch[::-1][:known]}
    assert statements == ["INSERT", "SELECT", "INSERT"] * (known == 0) + [
        *("INSERT", "SELECT", "INSERT", "SELECT", "INSERT")
    ] * (known > 0)
    assert counted() == SIXTY_EACH


def test_a_batch_that_is_known_altogether_writes_nothing(database, batch, counted, statements):
    database.run(on_products_viewed, batch)
    statements.clear()

    assert len(database.run(on_products_viewed, batch)) == len(batch)
    assert statements == ["INSERT", "SELECT", "SELECT"]
    assert counted() == SIXTY_EACH


def at_once(database, command, batches) -> None:
    """Runs *command* on each batch in a thread of its own, all released together."""
    barrier = Barrier(len(batches))

    def work(batch) -> None:
        barrier.wait()
        database.run(command, batch)

    threads = [Thread(target=work, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_views_that_are_heard_at_once_all_count(database, teller, counted):
    batches = [[teller.view(LAMP), teller.view(CHAIR)][:: (-1) ** number] for number in range(8)]
    at_once(database, on_products_viewed, batches)

    assert counted() == {(NOON, LAMP): (8, 0, 0, 0), (NOON, CHAIR): (8, 0, 0, 0)}


def test_a_view_that_is_heard_by_many_at_once_counts_once(database, teller, counted):
    view = teller.view()
    at_once(database, on_products_viewed, [[view]] * 8)

    assert counted() == {(NOON, LAMP): (1, 0, 0, 0)}


def test_views_are_lost_when_a_count_is_read_and_written_back(database, hear, teller, counted):
    """If this fails, the two tests above prove nothing."""
    hear(teller.view())
    all_have_read = Barrier(8)

    def count_one_more(session, _batch) -> None:
        minute = session.get(ProductMinute, (NOON, LAMP))
        all_have_read.wait()
        session.execute(update(ProductMinute).values(views=minute.views + 1))

    at_once(database, count_one_more, [[]] * 8)

    assert counted() == {(NOON, LAMP): (2, 0, 0, 0)}


def test_as_many_as_may_come_at_once_are_one_statement(database, teller):
    """Else some would be stored when a later one is refused, and be taken for known."""
    big = 2**63 - 1
    views = [
        teller.view(big - number % 99, viewer=big, session="f" * 64) for number in range(MOST_VIEWS)
    ]

    def inserts(session) -> int:
        return int(session.execute(text("SHOW SESSION STATUS LIKE 'Com_insert'")).one()[1])

    def handle(session) -> int:
        before = inserts(session)
        on_products_viewed(session, views)
        return inserts(session) - before

    assert database.run(handle) == 2  # the views, and their minutes
