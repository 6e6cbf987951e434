# SPDX-License-Identifier: Apache-2.0
"""Many products at once: what one by one would leave behind, in few statements."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import orjson
import pytest
from sqlalchemy import event, select

from catalog.audit import INVARIANTS
from catalog.commands.imports import import_products
from catalog.commands.products import NewProduct, create_product
from catalog.models import LedgerEntry, Price, Product, Stock
from common.audit import examine
from common.context import Trace, traced
from common.outbox import outbox_messages

SELLER = {"seller_id": 7, "seller_name": "grace", "currency": "USD"}
OWN = {"id", "public_id", "product_id", "event_id", "at", "created_at", "updated_at"}
"""Columns of which each row has a value of its own."""

LAMP = NewProduct(name="Lamp", price=1250, sku="lamp", quantity=3, low_stock_at=1, mark="Atlas")
EMPTY = NewProduct(name="Empty", price=0, sku="empty", description="Two\nlines")


def many(count, *, first=0):
    return [
        NewProduct(name=f"Lamp {number}", price=number, sku=f"L-{number}", quantity=number % 3)
        for number in range(first, first + count)
    ]


def bring(database, new):
    return database.run(import_products, new=new, **SELLER)


def left_behind(database):
    """Every row and event that there is, without what each has of its own."""

    def read(session):
        for table in (Product, Stock, Price, LedgerEntry):
            for row in session.execute(select(table.__table__)):
                yield {name: value for name, value in row._mapping.items() if name not in OWN}
        for row in session.execute(select(outbox_messages).order_by(outbox_messages.c.seq)):
            data = orjson.loads(bytes(row.body))["data"]
            data.get("changes", {}).pop("public_id", None)
            yield row.type, row.aggregate_version, data | {"product_id": None}

    return database.read(lambda session: list(read(session)))


@pytest.mark.parametrize("new", [LAMP, EMPTY], ids=["with units", "without"])
def test_an_imported_product_leaves_behind_what_a_created_one_does(database, clean, new):
    with traced(Trace(actor="user/1")):
        database.run(create_product, new=new, **SELLER)
        created = left_behind(database)
        clean(database)
        bring(database, [new])

    assert left_behind(database) == created
    assert len(created) == (6 if new.quantity else 4)


def test_what_is_there_already_is_left_alone_so_the_rest_can_be_imported_later(database, sell):
    sell("Mine", sku="L-3", price=99)

    assert bring(database, many(5)) == 4
    assert bring(database, many(8)) == 3
    assert bring(database, many(8)) == 0

    prices = database.read(
        lambda session: dict(session.execute(select(Product.sku, Product.price_minor)).all())
    )
    assert prices == {f"L-{number}": 99 if number == 3 else number for number in range(8)}


def test_every_rule_of_the_audit_holds_after_an_import(database):
    bring(database, many(60))

    assert [one.name for one in examine(database, INVARIANTS) if one.violations] == []
    assert len(database.read(lambda session: session.scalars(select(LedgerEntry.id)).all())) == 40


def test_a_hundred_products_take_no_more_statements_than_ten(database):
    def statements(new):
        sent = []
        note = lambda *call: sent.append(call[2].split("VALUES")[0])  # noqa: E731
        event.listen(database.engine, "before_cursor_execute", note)
        bring(database, new)
        event.remove(database.engine, "before_cursor_execute", note)
        return sent

    few, lots = statements(many(10)), statements(many(100, first=10))

    assert len(few) == len(lots) == 7, lots


def test_an_import_that_fails_at_its_last_step_leaves_nothing(database):
    with database.engine.connect() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER broken BEFORE INSERT ON outbox_messages FOR EACH ROW "
            "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'broken'"
        )
        try:
            with pytest.raises(Exception, match="broken"):
                bring(database, many(5))
        finally:
            connection.exec_driver_sql("DROP TRIGGER broken")

    assert database.read(lambda session: session.scalars(select(Product.id)).all()) == []


def test_two_imports_of_the_same_file_make_each_product_once(database):
    start = Barrier(4)

    def work():
        start.wait()
        return sum(bring(database, many(50, first=first)) for first in range(0, 200, 50))

    with ThreadPoolExecutor(4) as pool:
        came = [future.result() for future in [pool.submit(work) for _ in range(4)]]

    assert sum(came) == 200
    assert [one.name for one in examine(database, INVARIANTS) if one.violations] == []
