# SPDX-License-Identifier: Apache-2.0
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import func, select, text

from catalog.commands.overdue import ask_about_overdue
from catalog.commands.products import change_product, delete_product
from catalog.commands.reservations import (
    Wish,
    cancel_reservation,
    release_reservation,
)
from catalog.errors import (
    InsufficientStock,
    OrderTooLarge,
    PriceChanged,
    ProductNotFound,
    ReservationConflict,
    ReservationMissing,
    ReservationReleased,
)
from catalog.models import LedgerEntry, Reservation, Stock
from common.outbox import outbox_messages
from common.tokens import Identity
from support.reserving import reserve_one, sell_one

ADMIN = Identity(user_id=1, username="root", role="admin", epoch=0, expires_at=0)


def wish(lines, *, prices=None, total=None):
    return Wish(lines=lines, prices=prices or {}, total=total)


def stock_of(database, product):
    def read(session):
        row = session.get(Stock, product.id)
        return row.on_hand, row.reserved

    return database.read(read)


def ledger_sum(database, product):
    query = select(func.sum(LedgerEntry.delta)).where(LedgerEntry.product_id == product.id)
    return int(database.read(lambda session: session.scalar(query)) or 0)


def events_of(database, kind):
    query = select(outbox_messages.c.body).where(outbox_messages.c.type == kind)
    bodies = database.read(lambda session: session.scalars(query).all())
    return [orjson.loads(bytes(body))["data"] for body in bodies]


def test_every_line_is_held_and_the_answer_says_what_it_costs(database, sell):
    lamp = sell("Lamp", price=1250, quantity=3, sku="lamp-1")
    cup = sell("Cup", price=400, quantity=9)
    order = uuid4()

    answer = reserve_one(database, order_id=order, wish=wish({cup.id: 2, lamp.id: 1}))

    assert answer == {
        "order_id": str(order),
        "status": "reserved",
        "items": [
            {
                "product_id": lamp.id,
                "sku": "lamp-1",
                "name": "Lamp",
                "quantity": 1,
                "unit_price": 1250,
            },
            {"product_id": cup.id, "sku": None, "name": "Cup", "quantity": 2, "unit_price": 400},
        ],
        "total": 2050,
        "currency": "USD",
    }
    assert stock_of(database, lamp) == (3, 1)
    assert stock_of(database, cup) == (9, 2)


def test_asking_again_gives_the_same_answer_and_holds_nothing_more(database, sell):
    lamp = sell("Lamp", quantity=3)
    order = uuid4()
    first = reserve_one(database, order_id=order, wish=wish({lamp.id: 2}))
    database.run(
        change_product, product_id=lamp.id, changes={"price": 9999, "name": "Sun"}, actor=ADMIN
    )

    again = reserve_one(database, order_id=order, wish=wish({lamp.id: 2}))

    assert again == first
    assert stock_of(database, lamp) == (3, 2)


def test_one_short_line_takes_nothing_and_names_every_short_line(database, sell):
    lamp, cup, plate = sell("Lamp", quantity=1), sell("Cup", quantity=9), sell("Plate")

    refusal = reserve_one(
        database, order_id=uuid4(), wish=wish({lamp.id: 2, cup.id: 1, plate.id: 5})
    )

    assert isinstance(refusal, InsufficientStock)
    assert refusal.members["items"] == [
        {"product_id": lamp.id, "requested": 2, "available": 1},
        {"product_id": plate.id, "requested": 5, "available": 0},
    ]
    assert stock_of(database, cup) == (9, 0)


def test_a_refusal_is_given_again_even_after_a_restock(database, sell):
    lamp = sell("Lamp", quantity=0)
    order = uuid4()
    reserve_one(database, order_id=order, wish=wish({lamp.id: 1}))
    database.run(lambda session: session.execute(text("UPDATE stock SET on_hand = 5")))

    again = reserve_one(database, order_id=order, wish=wish({lamp.id: 1}))

    assert isinstance(again, InsufficientStock)
    assert again.members["items"][0]["available"] == 0
    assert stock_of(database, lamp) == (5, 0)


def test_another_wish_under_the_same_order_is_a_conflict(database, sell):
    lamp = sell("Lamp", quantity=9)
    order = uuid4()
    reserve_one(database, order_id=order, wish=wish({lamp.id: 1}))

    refused = reserve_one(database, order_id=order, wish=wish({lamp.id: 2}))
    assert isinstance(refused, ReservationConflict)

    assert stock_of(database, lamp) == (9, 1)


def test_unknown_and_deleted_products_are_not_found(database, sell):
    lamp = sell("Lamp", quantity=9)
    database.run(delete_product, product_id=lamp.id, actor=ADMIN)

    refusal = reserve_one(database, order_id=uuid4(), wish=wish({lamp.id: 1, 2**62: 1}))

    assert isinstance(refusal, ProductNotFound)
    assert refusal.members["items"] == [{"product_id": lamp.id}, {"product_id": 2**62}]


def test_a_price_that_the_order_does_not_expect_takes_nothing(database, sell):
    lamp = sell("Lamp", price=1250, quantity=9)

    by_line = reserve_one(
        database, order_id=uuid4(), wish=wish({lamp.id: 1}, prices={lamp.id: 1200})
    )
    by_total = reserve_one(database, order_id=uuid4(), wish=wish({lamp.id: 2}, total=2400))
    right = reserve_one(
        database,
        order_id=uuid4(),
        wish=wish({lamp.id: 2}, prices={lamp.id: 1250}, total=2500),
    )

    assert isinstance(by_line, PriceChanged)
    assert by_line.members["items"] == [
        {"product_id": lamp.id, "expected": "12.00", "price": "12.50"}
    ]
    assert isinstance(by_total, PriceChanged)
    assert by_total.members["total"] == "25.00"
    assert right["total"] == 2500
    assert stock_of(database, lamp) == (9, 2)


def test_a_total_that_no_column_holds_is_refused(database, sell):
    lamp = sell("Diamond", price=10**12, quantity=2**31 - 1)

    refusal = reserve_one(database, order_id=uuid4(), wish=wish({lamp.id: 2**31 - 1}))

    assert isinstance(refusal, OrderTooLarge)
    assert stock_of(database, lamp) == (2**31 - 1, 0)


def test_selling_takes_the_units_off_the_shelf_once(database, sell):
    lamp = sell("Lamp", quantity=3)
    order = uuid4()
    reserve_one(database, order_id=order, wish=wish({lamp.id: 2}))

    for _ in range(2):
        sell_one(database, order)

    assert stock_of(database, lamp) == (1, 0)
    assert ledger_sum(database, lamp) == 1
    assert [change["delta"] for change in events_of(database, "StockChanged")] == [3, -2]


def test_selling_what_was_never_reserved_is_a_broken_promise(database, sell):
    with pytest.raises(ReservationMissing):
        sell_one(database, uuid4())


def test_a_rejected_order_frees_its_units_once(database, sell):
    lamp = sell("Lamp", quantity=3)
    order = uuid4()
    reserve_one(database, order_id=order, wish=wish({lamp.id: 2}))

    for _ in range(2):
        database.run(release_reservation, order_id=order)

    assert stock_of(database, lamp) == (3, 0)
    refused = reserve_one(database, order_id=order, wish=wish({lamp.id: 2}))
    assert isinstance(refused, ReservationReleased)


@pytest.mark.parametrize("end", [release_reservation, cancel_reservation])
def test_an_end_that_comes_first_wins_over_the_reservation(database, sell, end):
    lamp = sell("Lamp", quantity=3)
    order = uuid4()
    database.run(end, order_id=order)

    refused = reserve_one(database, order_id=order, wish=wish({lamp.id: 1}))
    assert isinstance(refused, ReservationReleased)

    assert stock_of(database, lamp) == (3, 0)


def test_a_sold_order_can_not_be_released(database, sell):
    lamp = sell("Lamp", quantity=3)
    order = uuid4()
    reserve_one(database, order_id=order, wish=wish({lamp.id: 1}))
    sell_one(database, order)

    with pytest.raises(ReservationMissing):
        database.run(release_reservation, order_id=order)

    assert stock_of(database, lamp) == (2, 0)


def test_a_cancelled_order_puts_its_units_back_exactly_once(database, sell):
    lamp = sell("Lamp", quantity=3)
    order = uuid4()
    reserve_one(database, order_id=order, wish=wish({lamp.id: 2}))
    sell_one(database, order)

    for _ in range(2):
        database.run(cancel_reservation, order_id=order)

    assert stock_of(database, lamp) == (3, 0)
    assert ledger_sum(database, lamp) == 3


def test_a_cancellation_that_overtakes_the_sale_ends_in_the_same_stock(database, sell):
    lamp = sell("Lamp", quantity=3)
    order = uuid4()
    reserve_one(database, order_id=order, wish=wish({lamp.id: 2}))

    database.run(cancel_reservation, order_id=order)
    sell_one(database, order)

    assert stock_of(database, lamp) == (3, 0)
    assert ledger_sum(database, lamp) == 3


def test_stock_low_is_told_once_per_fall(database, sell):
    lamp = sell("Lamp", quantity=5, low_stock_at=3)

    for _ in range(3):
        reserve_one(database, order_id=uuid4(), wish=wish({lamp.id: 1}))

    assert [low["available"] for low in events_of(database, "StockLow")] == [3]


def test_an_overdue_reservation_is_asked_about_and_keeps_its_units(database, sell):
    lamp = sell("Lamp", quantity=3)
    order, young = uuid4(), uuid4()
    reserve_one(database, order_id=order, wish=wish({lamp.id: 2}))
    reserve_one(database, order_id=young, wish=wish({lamp.id: 1}))
    database.run(
        lambda session: session.execute(
            text(
                "UPDATE reservations SET reserved_at = reserved_at - INTERVAL 1 HOUR"
                " WHERE order_id = :id"
            ),
            {"id": order.bytes},
        )
    )

    asked = [
        database.run(ask_about_overdue, overdue_seconds=900, repeat_seconds=300) for _ in range(2)
    ]

    assert asked == [1, 0]
    assert [told["order_id"] for told in events_of(database, "ReservationOverdue")] == [str(order)]
    assert stock_of(database, lamp) == (3, 3)


def test_all_or_nothing_also_when_the_last_statement_fails(database, sell):
    lamp = sell("Lamp", quantity=3)
    order = uuid4()
    broken = (
        "CREATE TRIGGER broken BEFORE INSERT ON reservations FOR EACH ROW"
        " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'broken by a test'"
    )
    with database.engine.connect() as connection:
        connection.exec_driver_sql(broken)
        try:
            with pytest.raises(Exception, match="broken by a test"):
                reserve_one(database, order_id=order, wish=wish({lamp.id: 1}))
        finally:
            connection.exec_driver_sql("DROP TRIGGER broken")

    assert stock_of(database, lamp) == (3, 0)
    assert database.read(lambda session: session.get(Reservation, order)) is None
