# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime, timedelta
from itertools import permutations
from threading import Barrier, Thread

import pytest
from sqlalchemy import select

from analytics import commands
from analytics.commands import Line, Order
from analytics.models import CANCELLED, PLACED, Sale
from common.testing.counting import counting

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LAMP, CHAIR = 42, 43


def sales(session) -> list[tuple]:
    query = select(Sale).order_by(Sale.order_id, Sale.line)
    return [
        (sale.order_id, sale.product_id, sale.quantity, sale.unit_price, sale.at, sale.status)
        for sale in session.scalars(query)
    ]


def test_a_placed_order_counts_for_each_of_its_products(database, hear, teller, counted):
    hear(teller.placed("o-1", (LAMP, 2, 1250), (CHAIR, 1, 4999)))

    assert database.read(sales) == [
        ("o-1", LAMP, 2, 1250, NOON, PLACED),
        ("o-1", CHAIR, 1, 4999, NOON, PLACED),
    ]
    assert counted() == {(NOON, LAMP): (0, 1, 2, 2500), (NOON, CHAIR): (0, 1, 1, 4999)}


def test_two_lines_of_one_product_are_one_order(hear, teller, counted):
    hear(teller.placed("o-1", (LAMP, 2, 1250), (LAMP, 1, 1000)))

    assert counted() == {(NOON, LAMP): (0, 1, 3, 3500)}


def test_an_order_that_is_told_twice_counts_once(hear, teller, counted):
    hear(teller.placed("o-1", (LAMP, 2, 1250)), teller.placed("o-1", (LAMP, 2, 1250)))

    assert counted() == {(NOON, LAMP): (0, 1, 2, 2500)}


def test_a_cancelled_order_counts_for_nothing(database, hear, teller, counted):
    hear(teller.placed("o-1", (LAMP, 2, 1250)), teller.placed("o-2", (LAMP, 1, 1250)))
    cancelled = teller.cancelled("o-1", (LAMP, 2, 1250))
    hear(cancelled, cancelled)

    assert counted() == {(NOON, LAMP): (0, 1, 1, 1250)}
    assert database.read(sales)[0][-1] == CANCELLED


def test_orders_in_one_batch_count_as_one_after_another(database, hear_together, teller, counted):
    placed = [teller.placed(f"o-{number}", (LAMP, 1, 100), (CHAIR, 2, 50)) for number in range(30)]
    twice = teller.placed("o-7", (LAMP, 1, 100), (CHAIR, 2, 50), at=NOON - timedelta(hours=1))
    hear_together(placed[3])
    with counting(database) as asked:
        hear_together(*placed[10:])
    assert len(asked.statements) == 4, "log, look, sales, minutes"

    hear_together(*placed, twice, placed[8])
    hear_together(teller.cancelled("o-9", (LAMP, 1, 100), (CHAIR, 2, 50)))

    assert counted() == {
        (NOON, LAMP): (0, 28, 28, 2800),
        (NOON, CHAIR): (0, 28, 56, 2800),
        (NOON - timedelta(hours=1), LAMP): (0, 1, 1, 100),
        (NOON - timedelta(hours=1), CHAIR): (0, 1, 2, 100),
    }


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_order_of_the_news_does_not_matter(database, hear, teller, counted, order):
    news = [
        teller.placed("o-1", (LAMP, 2, 1250)),
        teller.placed("o-1", (LAMP, 2, 1250), at=NOON + timedelta(minutes=20)),
        teller.cancelled("o-1", (LAMP, 2, 1250)),
        teller.placed("o-2", (LAMP, 1, 10), at=NOON + timedelta(minutes=1)),
    ]
    hear(*(news[number] for number in order))

    assert database.read(sales) == [
        ("o-1", LAMP, 2, 1250, NOON, CANCELLED),
        ("o-2", LAMP, 1, 10, NOON + timedelta(minutes=1), PLACED),
    ]
    assert counted() == {(NOON + timedelta(minutes=1), LAMP): (0, 1, 1, 10)}


def test_an_order_moves_to_the_minute_in_which_it_was_first_told(hear, teller, counted):
    hear(
        teller.placed("o-1", (LAMP, 2, 1250), at=NOON + timedelta(minutes=20)),
        teller.placed("o-1", (LAMP, 2, 1250)),
    )

    assert counted() == {(NOON, LAMP): (0, 1, 2, 2500)}


def test_more_money_than_a_bigint_holds_is_counted(hear, teller, counted):
    units, price = 9_000_000, 10**12
    hear(teller.placed("o-1", (LAMP, units, price)), teller.placed("o-2", (LAMP, units, price)))

    assert 2 * units * price > 2**63
    assert counted() == {(NOON, LAMP): (0, 2, 2 * units, 2 * units * price)}


def test_one_order_heard_by_many_at_once_counts_once(database, counted):
    barrier = Barrier(6)

    def record(number: int) -> None:
        barrier.wait()
        order = Order(
            order_id="o-1",
            lines=[Line(product_id=LAMP, quantity=2, unit_price=1250)],
            at=NOON + timedelta(minutes=number),
            is_cancelled=False,
        )
        database.run(commands.record_orders, orders=[order])

    threads = [Thread(target=record, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counted() == {(NOON, LAMP): (0, 1, 2, 2500)}


def test_orders_of_crossed_products_heard_at_once_all_count(database, counted):
    barrier = Barrier(8)

    def record(number: int) -> None:
        products = (LAMP, CHAIR) if number % 2 else (CHAIR, LAMP)
        barrier.wait()
        order = Order(
            order_id=f"o-{number}",
            lines=[Line(product_id=product, quantity=1, unit_price=100) for product in products],
            at=NOON,
            is_cancelled=False,
        )
        database.run(commands.record_orders, orders=[order])

    threads = [Thread(target=record, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counted() == {(NOON, LAMP): (0, 8, 8, 800), (NOON, CHAIR): (0, 8, 8, 800)}
