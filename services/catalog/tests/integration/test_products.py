# SPDX-License-Identifier: Apache-2.0
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import select, text

from catalog import queries
from catalog.commands.products import change_product, change_product_and_stock
from catalog.commands.reservations import Wish
from catalog.errors import SkuTaken, TooManyUnits
from common.clock import utcnow
from common.outbox import outbox_messages
from common.tokens import Identity
from support.reserving import reserve_one

ADMIN = Identity(user_id=1, username="root", role="admin", epoch=0, expires_at=0)


def told(database):
    query = select(outbox_messages.c.type, outbox_messages.c.body).order_by(outbox_messages.c.seq)
    rows = database.read(lambda session: session.execute(query).all())
    return [(row.type, orjson.loads(bytes(row.body))) for row in rows]


def forget(database):
    database.run(lambda session: session.execute(text("DELETE FROM outbox_messages")))


def change(database, product, **changes):
    return database.run(change_product, product_id=product.id, changes=changes, actor=ADMIN)


def test_a_new_product_is_told_with_all_its_fields(database, sell):
    lamp = sell("Lamp", price=1250, sku="lamp-1", quantity=3)

    (kind, created), (stock_kind, stock) = told(database)

    assert (kind, stock_kind) == ("ProductCreated", "StockChanged")
    assert created["data"]["changes"]["price"] == {"old": None, "new": 1250}
    assert created["data"]["changes"]["public_id"]["new"] == lamp.public_id
    assert stock["data"] == {
        "product_id": lamp.id,
        "delta": 3,
        "reason": "initial stock",
        "on_hand": 3,
        "available": 3,
    }


def test_price_and_name_at_once_are_two_events_of_one_cause(database, sell):
    lamp = sell("Lamp", price=1000)
    forget(database)

    change(database, lamp, price=1200, name="Sun")

    (first, price), (second, text_change) = told(database)
    assert (first, second) == ("ProductPriceChanged", "ProductChanged")
    assert (price["data"]["old_price"], price["data"]["new_price"]) == (1000, 1200)
    assert text_change["data"]["changes"] == {"name": {"old": "Lamp", "new": "Sun"}}
    assert price["correlationid"] == text_change["correlationid"]
    assert price["aggregateversion"] == text_change["aggregateversion"] == 2


def test_a_change_that_changes_nothing_tells_nobody(database, sell):
    lamp = sell("Lamp", price=1000)
    forget(database)

    changed = change(database, lamp, price=1000, name="Lamp", mark=None)

    assert changed.version == 1
    assert told(database) == []


def test_a_refused_change_tells_nobody(database, sell):
    sell("Cup", sku="one")
    lamp = sell("Lamp")
    forget(database)

    with pytest.raises(SkuTaken):
        change(database, lamp, sku="one", price=1)

    assert told(database) == []


def revise(database, product, *, available=None, **changes):
    return database.run(
        change_product_and_stock,
        product_id=product.id,
        changes=changes,
        available=available,
        actor=ADMIN,
    )


def test_text_price_and_units_at_once_are_three_events_of_one_cause(database, sell):
    lamp = sell("Lamp", price=1000, quantity=2)
    forget(database)

    changed = revise(database, lamp, available=5, price=1200, name="Sun")

    assert (changed.name, changed.price_minor, changed.stock.available) == ("Sun", 1200, 5)
    kinds, documents = zip(*told(database), strict=True)
    assert kinds == ("ProductPriceChanged", "ProductChanged", "StockChanged")
    assert len({document["correlationid"] for document in documents}) == 1
    assert documents[2]["data"] | {"product_id": 0} == {
        "product_id": 0,
        "delta": 3,
        "reason": "corrected",
        "on_hand": 5,
        "available": 5,
    }


def test_where_the_units_are_refused_the_text_stays_too(database, sell):
    lamp = sell("Lamp", price=1000, quantity=2)
    reserve(database, lamp, 1)
    forget(database)

    with pytest.raises(TooManyUnits):
        revise(database, lamp, available=2**31 - 1, price=1200)

    kept = database.read(queries.product_by_ref, str(lamp.id))
    assert (kept.price_minor, kept.version, kept.stock.available) == (1000, 1, 1)
    assert told(database) == []


def test_units_left_to_sell_are_counted_beside_those_promised_to_orders(database, sell):
    lamp = sell("Lamp", quantity=5)
    reserve(database, lamp, 2)
    forget(database)

    same = revise(database, lamp, available=3)
    nothing_told = told(database) == []
    none_left = revise(database, lamp, available=0)

    assert (same.stock.on_hand, nothing_told) == (5, True)
    assert (none_left.stock.on_hand, none_left.stock.reserved) == (2, 2)


def reserve(database, product, quantity):
    wish = Wish(lines={product.id: quantity}, prices={}, total=None)
    reserve_one(database, order_id=uuid4(), wish=wish)


def test_the_lowest_price_counts_the_one_that_was_in_force_thirty_days_ago(database, sell):
    lamp = sell("Lamp", price=500)
    change(database, lamp, price=900)
    ages = text("UPDATE prices SET at = at - INTERVAL :days DAY WHERE price_minor = :price")

    def lowest_with(*, cheap_days, dear_days):
        database.run(lambda s: s.execute(ages, {"days": cheap_days, "price": 500}))
        database.run(lambda s: s.execute(ages, {"days": dear_days, "price": 900}))
        return database.read(queries.lowest_price, product_id=lamp.id, now=utcnow())

    assert lowest_with(cheap_days=60, dear_days=0) == 500
    assert lowest_with(cheap_days=0, dear_days=31) == 900
