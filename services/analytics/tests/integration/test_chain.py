# SPDX-License-Identifier: Apache-2.0
"""The chain of the event log: sealed whole by many sealers, and damaged by hand in every way."""

from threading import Barrier, Thread
from uuid import uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from analytics import chain
from analytics.audit import INVARIANTS
from analytics.models import LoggedEvent
from common.audit import examine
from common.db import Database
from common.question import Question
from common.testing.counting import counting

COPY = (
    "INSERT INTO event_log (event_id, source, type, version, subject, aggregate_version, time,"
    " correlation_id, causation_id, actor, body, position, hash) SELECT :id, source, type, version,"
    " subject, aggregate_version, time, correlation_id, causation_id, actor, body, :position, hash"
    " FROM event_log WHERE position = 2"
)


def broken(database: Database) -> list[str]:
    (check,) = [
        one for one in examine(database, INVARIANTS) if one.name == "analytics.log_is_unbroken"
    ]
    return [violation.subject for violation in check.violations]


def places(database: Database) -> list[int | None]:
    query = select(LoggedEvent.position).order_by(LoggedEvent.seq)
    return list(database.read(lambda session: session.scalars(query)))


def damage(database: Database, statement: str, **values: object) -> None:
    with database.engine.begin() as connection:
        assert connection.execute(text(statement), values).rowcount


@pytest.fixture
def sealed(database, hear, teller):
    """Five sealed events."""
    hear(*(teller.placed(f"o-{number}", (42, 1, 100)) for number in range(5)))
    chain.seal_all(database)
    assert places(database) == [1, 2, 3, 4, 5]
    return database


def test_what_is_sealed_is_unbroken(sealed):
    assert broken(sealed) == []


def test_an_empty_log_is_unbroken_and_so_is_one_that_waits_for_its_sealer(database, hear, teller):
    assert broken(database) == []
    chain.seal_all(database)
    hear(teller.placed("o-1", (42, 1, 100)))

    assert broken(database) == []
    assert places(database) == [None]


def test_whether_something_waits_for_its_sealer_is_one_cheap_question(database, hear, teller):
    question = Question(database, chain.IS_UNSEALED)
    answers = [question.ask()]
    hear(teller.placed("o-1", (42, 1, 100)))
    answers.append(question.ask())
    chain.seal_all(database)
    with counting(database) as asked:
        answers.append(question.ask())
    question.close()

    assert answers == [False, True, False]
    assert (asked.statements, asked.commits) == ([chain.IS_UNSEALED], 0)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("event_id", b"x" * 16),
        ("source", "/souk/eve"),
        ("type", "OrderRejected"),
        ("version", "2"),
        ("subject", "order/eve"),
        ("aggregate_version", 99),
        ("time", "2020-01-01"),
        ("correlation_id", "eve"),
        ("causation_id", "eve"),
        ("actor", "user/666"),
        ("body", b"{}"),
        ("hash", b"x" * 32),
        ("seq", 4711),
    ],
)
@pytest.mark.parametrize("position", [1, 3])
def test_a_changed_row_is_found_whatever_was_changed(sealed, column, value, position):
    damage(sealed, f"UPDATE event_log SET {column} = :v WHERE position = :p", v=value, p=position)

    assert f"event_log/{position}" in broken(sealed)


def test_every_column_of_the_log_is_damaged_in_these_tests():
    """A column that is added later must be sealed, too."""
    damaged = {
        *("event_id", "source", "type", "version", "subject", "aggregate_version", "time"),
        *("correlation_id", "causation_id", "actor", "body", "hash", "seq", "position"),
    }

    assert set(LoggedEvent.__table__.columns.keys()) == damaged


@pytest.mark.parametrize("position", [1, 2, 5])
def test_a_deleted_row_is_found(sealed, position):
    damage(sealed, "DELETE FROM event_log WHERE position = :p", p=position)

    assert broken(sealed) == [f"event_log/{position}"]


def test_a_deleted_row_is_found_when_those_behind_it_move_up(sealed):
    damage(sealed, "DELETE FROM event_log WHERE position = 2")
    for position in (3, 4, 5):
        damage(sealed, "UPDATE event_log SET position = :p - 1 WHERE position = :p", p=position)

    assert broken(sealed) == [f"event_log/{position}" for position in (2, 3, 4, 5)]


def test_all_rows_deleted_are_found(sealed):
    damage(sealed, "DELETE FROM event_log")

    assert broken(sealed) == ["event_log/1"]


def test_an_inserted_row_is_found(sealed):
    damage(sealed, COPY, id=uuid4().bytes, position=6)

    assert broken(sealed) == ["event_log/6"]


def test_a_row_put_between_is_found(sealed):
    for position in (5, 4, 3):
        damage(sealed, "UPDATE event_log SET position = :p + 1 WHERE position = :p", p=position)
    damage(sealed, COPY, id=uuid4().bytes, position=3)

    assert broken(sealed)[0] == "event_log/3"


def test_two_rows_that_changed_places_are_found(sealed):
    for old, new in ((2, 9), (3, 2), (9, 3)):
        damage(sealed, "UPDATE event_log SET position = :n WHERE position = :o", n=new, o=old)

    assert broken(sealed) == ["event_log/2", "event_log/3", "event_log/4"]


def test_a_changed_row_with_a_hash_that_fits_is_found_at_the_next_one(sealed):
    damage(sealed, "UPDATE event_log SET actor = 'user/666' WHERE position = 3")
    rows = sealed.read(lambda session: session.execute(select(*chain.COLUMNS)).all())
    forged = chain.link(rows[1].hash, rows[2], 3)
    damage(sealed, "UPDATE event_log SET hash = :h WHERE position = 3", h=forged)

    assert broken(sealed) == ["event_log/4"]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE event_log_head SET hash = REPEAT('x', 32)", "DELETE FROM event_log_head"],
)
def test_a_damaged_head_is_found(sealed, statement):
    damage(sealed, statement)

    assert broken(sealed)


def test_a_chain_without_its_head_is_not_begun_anew(sealed, hear, teller):
    damage(sealed, "DELETE FROM event_log_head")
    hear(teller.placed("o-9", (42, 1, 100)))

    with pytest.raises(Exception, match="Duplicate entry"):
        chain.seal_all(sealed)

    assert places(sealed)[-1] is None


def test_what_commits_late_with_a_low_number_is_sealed_late(database, hear, teller):
    """The numbers of the log have a gap for as long as a transaction is open."""
    with database.sessions.begin() as slow:
        slow.execute(text("INSERT INTO event_log" + COLUMNS_OF_ONE), {"id": uuid4().bytes})
        hear(teller.placed("o-1", (42, 1, 100)))
        chain.seal_all(database)
    chain.seal_all(database)

    assert places(database) == [2, 1]
    assert broken(database) == []


COLUMNS_OF_ONE = (
    " (event_id, source, type, version, subject, aggregate_version, time, correlation_id, actor,"
    " body) VALUES (:id, 's', 't', '1', 'order/late', 1, '2026-11-20', 'c', 'a', '{}')"
)


def test_many_sealers_and_writers_at_once_make_one_chain(database, hear, teller, monkeypatch):
    monkeypatch.setattr(chain, "SEALED_AT_ONCE", 7)
    start = Barrier(6)

    def write(number: int) -> None:
        start.wait()
        for one in range(30):
            hear(teller.placed(f"o-{number}-{one}", (number, 1, 100)))

    def seal() -> None:
        start.wait()
        for _ in range(20):
            database.run(chain.seal)

    threads = [Thread(target=write, args=(number,)) for number in range(3)]
    threads += [Thread(target=seal) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chain.seal_all(database)

    assert sorted(places(database)) == list(range(1, 91))
    assert broken(database) == []


def test_a_second_sealer_waits_for_the_first(sealed):
    impatient = Database(sealed.engine.url.render_as_string(hide_password=False), lock_wait=1)
    with sealed.sessions.begin() as first:
        chain.seal(first)
        with pytest.raises(OperationalError, match="1205"), impatient.sessions.begin() as second:
            chain.seal(second)
    with impatient.sessions.begin() as second:
        assert chain.seal(second) == 0
    impatient.dispose()


def test_a_chain_of_several_pages_is_verified_to_its_end(sealed, monkeypatch):
    monkeypatch.setattr(chain, "VERIFIED_AT_ONCE", 2)
    assert broken(sealed) == []

    damage(sealed, "UPDATE event_log SET actor = 'user/666' WHERE position = 5")

    assert broken(sealed) == ["event_log/5"]


def test_sealing_costs_the_same_however_long_the_log_and_its_backlog(database, hear, teller):
    """An old log is sealed from its beginning, a batch at a time."""

    def rows_read(session) -> int:
        status = session.execute(text("SHOW SESSION STATUS LIKE 'Handler_read%'"))
        return sum(int(row.Value) for row in status)

    def cost(session) -> int:
        before = rows_read(session)
        chain.seal(session)
        return rows_read(session) - before

    hear(*(teller.placed(f"o-{number}", (42, 1, 100)) for number in range(5 * 200)))
    costs = [database.run(cost) for _ in range(5)]

    assert places(database) == list(range(1, 1001))
    assert max(costs) < 2 * 200 + 50
