# SPDX-License-Identifier: Apache-2.0
import orjson
import pytest
from sqlalchemy import select, text

from catalog import queries
from catalog.commands.products import change_product
from catalog.errors import SkuTaken
from common.clock import utcnow
from common.outbox import outbox_messages
from common.tokens import Identity

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
