# SPDX-License-Identifier: Apache-2.0
"""A reservation and its ends, two at a time, in every order in which their statements can come."""

from uuid import uuid4

import pytest
from sqlalchemy import func, select

from catalog.commands import reservations
from catalog.commands.reservations import (
    Wish,
    cancel_reservation,
    release_reservation,
)
from catalog.commands.stock import change_stock
from catalog.errors import ReservationReleased
from catalog.models import LedgerEntry, Reservation, Stock
from common.problems import Problem
from common.testing.interleavings import Interleavings
from common.tokens import Identity
from support.reserving import reserve_one, sell_one

ADMIN = Identity(user_id=1, username="root", role="admin", epoch=0, expires_at=0)


def wish(lines):
    return Wish(lines=lines, prices={}, total=None)


def reserve(database, order_id, product_id):
    answer = reserve_one(database, order_id=order_id, wish=wish({product_id: 2}))
    return answer.code if isinstance(answer, Problem) else "held"


def release(database, order_id, product_id):
    database.run(release_reservation, order_id=order_id)
    return "released"


def cancel(database, order_id, product_id):
    database.run(cancel_reservation, order_id=order_id)
    return "cancelled"


def sell_it(database, order_id, product_id):
    sell_one(database, order_id)
    return "sold"


def restock(database, order_id, product_id):
    database.run(change_stock, product_id=product_id, actor=ADMIN, available=10, reason="counted")
    return "counted"


class Shelf:
    """One lamp's stock, with what its ledger and its reservation say of it."""

    def __init__(self, database, sell):
        self.database = database
        self.sell = sell

    def fill(self):
        """An order that is to come of a new lamp, of which there are five."""
        self.lamp = self.sell("Lamp", quantity=5)
        self.order_id = uuid4()
        return [{"order_id": self.order_id, "product_id": self.lamp.id}] * 2

    def fill_and_reserve(self):
        jobs = self.fill()
        reserve_one(self.database, order_id=self.order_id, wish=wish({self.lamp.id: 2}))
        return jobs

    def look(self):
        """On hand, reserved, what the ledger adds up to, the reservation's status."""

        def ask(session):
            stock = session.get_one(Stock, self.lamp.id)
            entries = select(func.sum(LedgerEntry.delta))
            total = session.scalar(entries.where(LedgerEntry.product_id == self.lamp.id))
            status = session.get_one(Reservation, self.order_id).status
            return stock.on_hand, stock.reserved, int(total), status

        return self.database.read(ask)


@pytest.fixture
def shelf(database, sell):
    return Shelf(database, sell)


def test_a_release_wins_over_its_reservation(shelf):
    with Interleavings(shelf.database, [reserve, release]) as both:
        seen = set()
        for play in both.every(shelf.fill):
            assert shelf.look() == (5, 0, 5, "released"), play
            seen.add(tuple(play.words))

    assert seen == {("held", "released"), (ReservationReleased.code, "released")}


def test_a_sale_beside_its_cancellation_ends_in_full_stock(shelf):
    with Interleavings(shelf.database, [sell_it, cancel]) as both:
        for play in both.every(shelf.fill_and_reserve):
            assert play.words == ["sold", "cancelled"], play
            assert shelf.look() == (5, 0, 5, "cancelled"), play


def test_an_order_that_is_sold_twice_at_once_leaves_the_shelf_once(shelf):
    with Interleavings(shelf.database, [sell_it, sell_it]) as both:
        for play in both.every(shelf.fill_and_reserve):
            assert play.words == ["sold", "sold"], play
            assert shelf.look() == (3, 0, 3, "sold"), play


@pytest.fixture
def without_locks(monkeypatch):
    """Catalog as it would be if it only looked at an order's reservation."""

    def look(session, order_id):
        return session.get(Reservation, order_id)

    def look_at_all(session, order_ids):
        return {order_id: look(session, order_id) for order_id in order_ids}

    monkeypatch.setattr(reservations, "lock_reservation", look)
    monkeypatch.setattr(reservations, "lock_reservations", look_at_all)


@pytest.mark.parametrize("other", [sell_it, cancel])
def test_without_the_reservations_lock_both_take_its_units_away(shelf, without_locks, other):
    """If this fails, the two tests above prove nothing. It is the database's fence that ends it."""
    fences = {"error 4025", "error 3819"}
    with Interleavings(shelf.database, [sell_it, other]) as both:
        assert any(fences & set(play.words) for play in both.every(shelf.fill_and_reserve))


def test_units_left_to_sell_are_counted_beside_an_order_that_comes_meanwhile(shelf):
    with Interleavings(shelf.database, [reserve, restock]) as both:
        seen = set()
        for play in both.every(shelf.fill):
            assert play.words == ["held", "counted"], play
            seen.add(shelf.look())

    # Counted before the order came: it takes two of the ten. After it: ten beside its two.
    assert seen == {(10, 2, 10, "reserved"), (12, 2, 12, "reserved")}
