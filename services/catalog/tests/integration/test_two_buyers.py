# SPDX-License-Identifier: Apache-2.0
"""Two buyers in two processes, in every order in which their statements can come."""

from uuid import uuid4

import pytest
from sqlalchemy import select

from catalog.commands import reservations
from catalog.commands.reservations import Wish
from catalog.errors import InsufficientStock
from catalog.models import Stock
from common.problems import Problem
from common.testing.interleavings import Interleavings
from support.reserving import reserve_one

ONE_OF_THEM = sorted(["held", InsufficientStock.code])


def buy(database, order_id, lines):
    wish = Wish(lines=lines, prices={}, total=None)
    answer = reserve_one(database, order_id=order_id, wish=wish)
    return answer.code if isinstance(answer, Problem) else "held"


@pytest.fixture
def the_last(sell):
    """Two orders of the same new lamp, of which there is one."""

    def want():
        lamp = sell("Lamp", quantity=1)
        return [{"order_id": uuid4(), "lines": {lamp.id: 1}} for _ in range(2)]

    return want


@pytest.fixture
def stock(database):
    """``(on_hand, reserved)`` of the newest product."""
    newest = select(Stock).order_by(Stock.product_id.desc()).limit(1)

    def look(session):
        found = session.scalars(newest).one()
        return found.on_hand, found.reserved

    return lambda: database.read(look)


def test_of_two_buyers_one_gets_the_last_unit_in_every_order(database, the_last, stock):
    tried = set()
    with Interleavings(database, [buy, buy]) as both:
        for play in both.every(the_last):
            assert sorted(play.words) == ONE_OF_THEM, play
            assert stock() == (1, 1), play
            assert play.lost_races == [], play
            tried.add(tuple(step.split()[0] for step in play.steps))

    assert len(tried) > 100
    assert {turns[0] for turns in tried} == {"0", "1"}


@pytest.fixture
def without_locks(database, monkeypatch):
    """Catalog as it would be without its lock and without the database's own fence."""

    def look(session, product_ids):
        found = session.scalars(select(Stock).where(Stock.product_id.in_(product_ids)))
        return {row.product_id: row for row in found}

    monkeypatch.setattr(reservations, "lock_stock", look)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ALTER TABLE stock DROP CONSTRAINT ck_stock_reserved")
        yield
        connection.exec_driver_sql("DELETE FROM stock")
        connection.exec_driver_sql(
            "ALTER TABLE stock ADD CONSTRAINT ck_stock_reserved"
            " CHECK (reserved >= 0 AND reserved <= on_hand)"
        )


def test_without_the_lock_some_orders_sell_the_last_unit_twice(
    database, the_last, stock, without_locks
):
    """If this fails, the test above proves nothing."""
    with Interleavings(database, [buy, buy]) as both:
        oversold = next(play for play in both.every(the_last) if play.words == ["held", "held"])

    assert stock() == (1, 2), oversold


@pytest.fixture
def crossed(sell):
    """Two orders of the same two new things, which name them the other way round."""

    def want():
        lamp, cup = sell("Lamp", quantity=2), sell("Cup", quantity=2)
        lines = {lamp.id: 1, cup.id: 1}, {cup.id: 1, lamp.id: 1}
        return [{"order_id": uuid4(), "lines": those} for those in lines]

    return want


def test_crossed_lines_never_meet_in_a_deadlock(database, crossed, stock):
    """Not even in one that is run again and so seen by nobody.

    ``tests/mutants/unsorted_locks.py`` is the control.
    """
    with Interleavings(database, [buy, buy]) as both:
        for play in both.every(crossed):
            assert play.lost_races == [], play
            assert play.words == ["held", "held"], play
            assert stock() == (2, 2), play
