# SPDX-License-Identifier: Apache-2.0
"""Races on stock, and for each the same race with its guard taken out, which must go wrong."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
from sqlalchemy import select, text, update

from catalog.commands import reservations
from catalog.commands.reservations import (
    Wish,
    cancel_reservation,
    release_reservation,
)
from catalog.errors import InsufficientStock, ReservationReleased
from catalog.models import Stock
from common.problems import Problem
from support.reserving import reserve_one, sell_one

BUYERS = 12


def wish(lines):
    return Wish(lines=lines, prices={}, total=None)


def together(tasks):
    """Run *tasks* in threads that start at the same moment; returns what each gave or raised."""
    barrier = Barrier(len(tasks))

    def run(task):
        barrier.wait()
        try:
            return task()
        except Problem as problem:
            return problem

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))


def outcomes(answers):
    return Counter("held" if isinstance(answer, dict) else answer.code for answer in answers)


def stock_of(database, product):
    with database.sessions() as session:
        row = session.get(Stock, product.id)
        return row.on_hand, row.reserved


def buyers(database, product, count=BUYERS):
    return [
        lambda: reserve_one(database, order_id=uuid4(), wish=wish({product.id: 1}))
        for _ in range(count)
    ]


def test_twelve_buyers_of_five_units_get_five(database, sell):
    lamp = sell("Lamp", quantity=5)

    answers = together(buyers(database, lamp))

    assert outcomes(answers) == {"held": 5, InsufficientStock.code: 7}
    assert stock_of(database, lamp) == (5, 5)


@pytest.fixture
def without_locks(database, monkeypatch):
    """Catalog as it would be without its lock and without the database's own fence.

    All buyers read before the first of them writes: the worst case, made certain by a barrier.
    """
    read = Barrier(BUYERS)

    def look(session, product_ids):
        found = session.scalars(select(Stock).where(Stock.product_id.in_(product_ids)))
        stock = {row.product_id: row for row in found}
        read.wait()
        return stock

    monkeypatch.setattr(reservations, "lock_stock", look)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ALTER TABLE stock DROP CONSTRAINT ck_stock_reserved")
        yield
        connection.exec_driver_sql("DELETE FROM stock")
        connection.exec_driver_sql(
            "ALTER TABLE stock ADD CONSTRAINT ck_stock_reserved"
            " CHECK (reserved >= 0 AND reserved <= on_hand)"
        )


def test_without_the_lock_the_same_race_oversells(database, sell, without_locks):
    """If this fails, the race above proves nothing."""
    lamp = sell("Lamp", quantity=5)

    answers = together(buyers(database, lamp))

    assert outcomes(answers)["held"] == BUYERS
    assert stock_of(database, lamp) == (5, BUYERS)


def test_the_database_refuses_to_oversell_even_without_the_lock(database, sell):
    lamp = sell("Lamp", quantity=5)

    with pytest.raises(Exception, match="ck_stock_reserved"), database.sessions.begin() as session:
        session.execute(update(Stock).where(Stock.product_id == lamp.id).values(reserved=6))

    assert stock_of(database, lamp) == (5, 0)


def test_twelve_copies_of_one_command_hold_once(database, sell):
    lamp = sell("Lamp", quantity=5)
    order = uuid4()

    answers = together(
        [
            lambda: reserve_one(database, order_id=order, wish=wish({lamp.id: 1}))
            for _ in range(BUYERS)
        ]
    )

    assert outcomes(answers) == {"held": BUYERS}
    assert len({str(answer) for answer in answers}) == 1
    assert stock_of(database, lamp) == (5, 1)


def test_crossed_lines_never_deadlock_into_an_error(database, sell):
    lamp, cup = sell("Lamp", quantity=100), sell("Cup", quantity=100)
    crossed = [{lamp.id: 1, cup.id: 1}, {cup.id: 1, lamp.id: 1}] * (BUYERS // 2)

    for _ in range(5):
        answers = together(
            [
                lambda lines=lines: reserve_one(database, order_id=uuid4(), wish=wish(lines))
                for lines in crossed
            ]
        )
        assert outcomes(answers) == {"held": BUYERS}

    assert stock_of(database, lamp) == (100, 5 * BUYERS)
    assert stock_of(database, cup) == (100, 5 * BUYERS)


def test_a_release_that_races_its_reservation_leaves_no_unit_held(database, sell):
    lamp = sell("Lamp", quantity=5)

    for _ in range(20):
        order = uuid4()
        together(
            [
                lambda order=order: reserve_one(database, order_id=order, wish=wish({lamp.id: 1})),
                lambda order=order: database.run(release_reservation, order_id=order),
            ]
        )
        refused = reserve_one(database, order_id=order, wish=wish({lamp.id: 1}))
        assert isinstance(refused, ReservationReleased)

    assert stock_of(database, lamp) == (5, 0)


def test_sale_and_cancellation_at_once_end_in_full_stock(database, sell):
    lamp = sell("Lamp", quantity=5)

    for _ in range(20):
        order = uuid4()
        reserve_one(database, order_id=order, wish=wish({lamp.id: 2}))
        together(
            [
                lambda order=order: sell_one(database, order),
                lambda order=order: database.run(cancel_reservation, order_id=order),
                lambda order=order: sell_one(database, order),
            ]
        )

    assert stock_of(database, lamp) == (5, 0)
    with database.sessions() as session:
        total = session.scalar(text("SELECT SUM(delta) FROM stock_ledger"))
    assert int(total) == 5
