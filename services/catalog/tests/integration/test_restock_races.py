# SPDX-License-Identifier: Apache-2.0
"""Who adds units and who says how many there are, at once: every unit is accounted for."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select

from catalog.commands.products import change_product_and_stock
from catalog.commands.stock import change_stock
from catalog.models import LedgerEntry, Price, Stock
from common.tokens import Identity

ADMIN = Identity(user_id=1, username="root", role="admin", epoch=0, expires_at=0)
WRITERS = 8


def together(tasks):
    """Run *tasks* in threads that start at the same moment; the first error is raised."""
    barrier = Barrier(len(tasks))

    def run(task):
        barrier.wait()
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))


@pytest.fixture
def lamp(sell):
    return sell("Lamp", quantity=100)


@pytest.fixture
def add(database, lamp):
    return lambda: (
        database.run(
            change_stock, product_id=lamp.id, actor=ADMIN, delta=10, reason="restocked"
        ).on_hand
    )


@pytest.fixture
def stock(database, lamp):
    """What is on hand, what its ledger adds up to, and the last price."""

    def look():
        def ask(session):
            on_hand = session.get_one(Stock, lamp.id).on_hand
            deltas = session.scalars(select(LedgerEntry.delta)).all()
            price = session.scalar(select(Price.price_minor).order_by(Price.id.desc()).limit(1))
            return on_hand, sum(deltas), price

        return database.read(ask)

    return look


def test_units_that_come_in_at_once_all_count(add, stock):
    seen = together([add] * WRITERS)

    assert sorted(seen) == [110 + 10 * number for number in range(WRITERS)]
    assert stock()[:2] == (180, 180)


def test_text_and_units_at_once_with_restocks_lose_nothing(database, lamp, add, stock):
    def say(number):
        return lambda: (
            database.run(
                change_product_and_stock,
                product_id=lamp.id,
                changes={"price": number},
                available=1000 * number,
                actor=ADMIN,
            ).stock.on_hand
        )

    together([add, say(2)] * (WRITERS // 2) + [say(3)])

    on_hand, added_up, price = stock()
    assert on_hand == added_up
    # Whoever said both last was believed in both: the thousands are the price's.
    assert on_hand // 1000 == price
    assert (on_hand % 1000) % 10 == 0


def test_without_the_lock_units_that_come_in_at_once_are_lost(monkeypatch, add, stock):
    all_have_read = Barrier(WRITERS)

    def read_only(session, product_ids):
        found = {number: session.get_one(Stock, number) for number in product_ids}
        all_have_read.wait()
        return found

    monkeypatch.setattr("catalog.commands.stock.lock_stock", read_only)

    together([add] * WRITERS)

    assert stock()[:2] == (110, 180)
