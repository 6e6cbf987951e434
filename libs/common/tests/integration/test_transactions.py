# SPDX-License-Identifier: Apache-2.0
"""``Database.run``: what is run again, what is not, and what it says when it gives up."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from common import db
from common.db import ATTEMPTS, Database, database_clock, error_number
from common.identifiers import uuid7
from common.problems import Unavailable
from common.testing import eventually


@pytest.fixture
def ab(shop):
    def prepare(session):
        for name in ("a", "b"):
            shop.add(session, name, 10)

    shop.database.run(prepare)
    return shop


@pytest.fixture
def impatient(schema_url):
    """The same schema through connections that wait for a row for one second only."""
    made = Database(schema_url, lock_wait=1)
    yield made
    made.dispose()


def crossing(shop, barrier, attempts):
    """A command that locks two rows in an order of its own, after both hold their first."""

    def cross(session, first, second):
        attempts.append((first, second))
        shop.add(session, first)
        if len(attempts) <= 2:
            barrier.wait(timeout=10)
        shop.add(session, second)

    return cross


def test_a_deadlock_is_run_again_from_the_start(ab):
    attempts = []
    cross = crossing(ab, threading.Barrier(2), attempts)

    with ThreadPoolExecutor(2) as pool:
        list(
            pool.map(
                lambda order: ab.database.run(cross, *order), [("a", "b"), ("b", "a")], timeout=20
            )
        )

    assert (ab.value("a"), ab.value("b")) == (12, 12)
    assert len(attempts) >= 3, "nobody lost a race: the test proves nothing"


def test_the_same_deadlock_without_a_second_attempt_is_an_error(ab, monkeypatch):
    """The control: the race is real."""
    monkeypatch.setattr(db, "ATTEMPTS", 1)
    cross = crossing(ab, threading.Barrier(2), [])

    def run(order):
        try:
            ab.database.run(cross, *order)
        except Unavailable as error:
            return error_number(error.__cause__)
        return None

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(run, [("a", "b"), ("b", "a")], timeout=20))

    assert sorted(outcomes, key=str) == [1213, None]
    assert (ab.value("a"), ab.value("b")) == (11, 11)


def test_a_lock_that_comes_free_late_is_waited_for_again(ab, impatient, monkeypatch):
    """InnoDB undoes only the statement (1205); the whole command must be undone and run again."""
    monkeypatch.setattr(db, "ATTEMPTS", 10)  # of a second or more each
    attempts, held = [], threading.Event()

    def first_b_then_a(session):
        attempts.append(1)
        ab.add(session, "b")
        held.set()
        ab.add(session, "a")

    with ab.database.sessions() as holder:
        ab.add(holder, "a")
        thread = threading.Thread(target=impatient.run, args=(first_b_then_a,))
        thread.start()
        assert held.wait(30)
        eventually(lambda: len(attempts) >= 2)
        holder.rollback()
    thread.join(timeout=30)

    assert not thread.is_alive()
    assert (ab.value("a"), ab.value("b")) == (11, 11)
    assert len(attempts) >= 2


def test_a_lock_that_never_comes_free_ends_in_unavailable(ab, impatient, monkeypatch):
    monkeypatch.setattr(db, "ATTEMPTS", 2)
    with ab.database.sessions() as holder:
        ab.add(holder, "a")

        with pytest.raises(Unavailable) as caught:
            impatient.run(ab.add, "a")

    assert error_number(caught.value.__cause__) == 1205


def test_the_loser_of_a_duplicate_key_finds_the_winners_row(shop):
    barrier, seen = threading.Barrier(2), []
    query = select(shop.counters.c.value).where(shop.counters.c.name == "once")

    def once(session):
        found = session.scalar(query)
        seen.append(found)
        if found is None:
            barrier.wait(timeout=10)
            session.execute(insert(shop.counters), {"name": "once", "value": 7})
        return found or 7

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: shop.database.run(once), range(2), timeout=20))

    assert answers == [7, 7]
    assert sorted(seen, key=str) == [7, None, None]


def test_a_command_that_never_looks_says_so_instead_of_hiding_behind_503(shop):
    shop.database.run(shop.add, "taken")
    attempts = []

    def blind(session):
        attempts.append(1)
        session.execute(insert(shop.counters), {"name": "taken", "value": 1})

    with pytest.raises(DBAPIError) as caught:
        shop.database.run(blind)

    assert error_number(caught.value) == 1062
    assert len(attempts) == ATTEMPTS


def test_a_broken_rule_is_never_tried_again(shop):
    attempts = []

    def below_zero(session):
        attempts.append(1)
        shop.add(session, "stock", -1)

    with pytest.raises(DBAPIError, match="ck_counters_value") as caught:
        shop.database.run(below_zero)

    assert error_number(caught.value) in {3819, 4025}
    assert len(attempts) == 1
    assert shop.value("stock") is None


def test_an_error_of_ours_undoes_everything_and_is_not_tried_again(shop):
    attempts = []

    def fail(session):
        attempts.append(1)
        shop.add(session, "a")
        raise LookupError

    with pytest.raises(LookupError):
        shop.database.run(fail)

    assert (attempts, shop.value("a")) == ([1], None)


def test_values_never_stand_in_an_error(shop):
    def fail(session):
        session.execute(text("SELECT :address, nothing"), {"address": "ada@shop.example"})

    with pytest.raises(DBAPIError) as caught:
        shop.database.run(fail)

    assert "ada@shop.example" not in str(caught.value)


def test_no_free_connection_in_time_is_unavailable(schema_url):
    small = Database(schema_url, pool_size=1, pool_wait=0.1)
    try:
        with small.sessions() as session:
            session.execute(text("SELECT 1"))
            with pytest.raises(Unavailable):
                small.run(lambda other: other.execute(text("SELECT 1")))
            with pytest.raises(Unavailable):
                small.ping()
        small.ping()
    finally:
        small.dispose()


def test_no_server_is_unavailable():
    nowhere = Database("mysql+pymysql://nobody:x@127.0.0.1:1/none")

    with pytest.raises(Unavailable):
        nowhere.ping()
    with pytest.raises(Unavailable):
        nowhere.run(lambda session: session.execute(text("SELECT 1")))


@pytest.mark.parametrize("moment", ["idle", "in the middle"])
def test_a_connection_that_the_server_cuts_is_unavailable_and_then_replaced(
    schema_url, database, moment
):
    """A restarted server has cut every connection of the pool; each may fail once at most."""
    small = Database(schema_url, pool_size=1)
    number = small.read(lambda session: session.scalar(text("SELECT CONNECTION_ID()")))

    def cut():
        with database.engine.connect() as connection:
            connection.exec_driver_sql(f"KILL {number}")

    def work(session):
        if moment == "in the middle":
            session.execute(text("SELECT 1"))
            cut()
        return session.scalar(text("SELECT 2"))

    try:
        if moment == "idle":
            cut()
        with pytest.raises(Unavailable):
            small.run(work)
        moment = "over"
        assert small.run(work) == 2
    finally:
        small.dispose()


def test_what_a_read_sees_is_what_was_committed_last(ab):
    """READ COMMITTED: a second look in the same transaction sees the winner's row."""
    with ab.database.sessions() as session:
        query = select(ab.counters.c.value).where(ab.counters.c.name == "a")
        assert session.scalar(query) == 10
        ab.database.run(ab.add, "a")
        assert session.scalar(query) == 11


def test_moments_come_back_aware_to_the_microsecond_and_ids_as_they_were(shop):
    east = timezone(timedelta(hours=9))
    when = datetime(2999, 12, 31, 23, 59, 59, 999999, tzinfo=east)
    rows = [
        {"id": UUID(int=0), "at": when},
        {"id": UUID(int=2**128 - 1), "at": None},
        {"id": uuid7(), "at": datetime(1970, 1, 1, tzinfo=UTC)},
    ]
    shop.database.run(lambda session: session.execute(insert(shop.things), rows))

    found = shop.database.read(lambda session: session.execute(select(shop.things)).all())

    assert {(row.id, row.at) for row in found} == {(row["id"], row["at"]) for row in rows}
    assert all(row.at is None or row.at.utcoffset() == timedelta(0) for row in found)


def test_ids_are_found_and_sorted_by_their_digits(shop):
    ids = sorted(uuid7() for _ in range(50))
    rows = [{"id": one, "at": None} for one in reversed(ids)]
    shop.database.run(lambda session: session.execute(insert(shop.things), rows))
    query = select(shop.things.c.id).order_by(shop.things.c.id)

    assert list(shop.database.read(lambda session: session.scalars(query).all())) == ids
    one = query.where(shop.things.c.id == ids[7])
    assert shop.database.read(lambda session: session.scalar(one)) == ids[7]


def test_the_databases_clock_is_utc(shop):
    asked = shop.database.read(lambda session: session.scalar(select(database_clock())))

    assert abs(datetime.now(UTC) - asked) < timedelta(minutes=5)
    assert asked.utcoffset() == timedelta(0)
