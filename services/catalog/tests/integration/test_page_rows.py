# SPDX-License-Identifier: Apache-2.0
"""What pages show, read for many at once: each gets what it would have got alone."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import select, update

from catalog import queries
from catalog.errors import ProductNotFound
from catalog.models import Product, ShownProduct, Stock
from catalog.page_rows import PageRows
from common.problems import Unavailable
from common.testing import eventually
from common.testing.counting import counting
from common.testing.leisure import nobody_leaves

CROWD = 8
ODD = "\"\\/'%{}:\t\r\n\x00\x01\x1f\x7f\u2028é\U0001f600\ufeff\uffff <b>\\u0041 NULL "


@pytest.fixture
def rows(database):
    database.glance(lambda _: None)  # whose connection is there then
    made = PageRows(database)
    nobody_leaves(made._batcher)
    return made


def crowd(database, rows, refs, monkeypatch):
    """Ask for *refs*, all but the first while that is being read; outcomes and the cost."""
    glance, began, go_on = database.glance, Event(), Event()

    def slowly(*args):
        began.set()
        assert go_on.wait(20)
        return glance(*args)

    monkeypatch.setattr(database, "glance", slowly)
    with ThreadPoolExecutor(len(refs)) as pool, counting(database) as cost:
        asked = [pool.submit(rows.row, refs[0])]
        assert began.wait(20)
        asked += [pool.submit(rows.row, ref) for ref in refs[1:]]
        waiting = len(refs) - 1
        eventually(lambda: len(rows._batcher.line.waiting) == waiting, what="the others waiting")
        go_on.set()
        outcomes = [one.exception() or one.result() for one in asked]
    return outcomes, cost


def test_who_comes_while_a_row_is_read_shares_the_next_statement(database, sell, rows, monkeypatch):
    lamps = [sell(f"Lamp {number}", quantity=number) for number in range(CROWD)]

    found, cost = crowd(database, rows, [str(lamp.id) for lamp in lamps], monkeypatch)

    assert [(row.name, row.available) for row in found] == [
        (f"Lamp {number}", number) for number in range(CROWD)
    ]
    assert len(cost.statements) == 2


def test_one_by_one_they_cost_a_statement_each(database, sell, rows):
    lamps = [sell(f"Lamp {number}") for number in range(CROWD)]

    with counting(database) as cost:
        for lamp in lamps:
            rows.row(str(lamp.id))

    assert len(cost.statements) == CROWD


def test_every_kind_of_name_is_found_among_the_others(database, sell, rows, monkeypatch):
    lamp, cup = sell("Lamp", sku="LAMP-1"), sell("Cup", sku="CUP-1")
    refs = [
        *(str(lamp.id), f"00{lamp.id}", "LAMP-1", "CUP-1", cup.public_id, lamp.public_id, "LAMP-1"),
        *("nothing", "lamp-1", "9" * 30, "0", "lämp", "LAMP-1 "),
    ]

    found, cost = crowd(database, rows, refs, monkeypatch)

    names = [None if isinstance(one, ProductNotFound) else one.name for one in found]
    assert names[:7] == ["Lamp", "Lamp", "Lamp", "Cup", "Cup", "Lamp", "Lamp"]
    assert names[7:12] == [None] * 5
    assert names[12] == "Lamp", "both databases compare text without the blanks at its end"
    assert len(cost.statements) == 1 + 3


def test_the_database_writes_every_text_and_time_as_it_is(database, sell, rows):
    lamp = sell("Lamp", quantity=7, sku="LAMP-1", price=10**12, low_stock_at=2, mark=ODD)
    cup = sell("Cup", price=0)
    with database.sessions.begin() as session:
        session.execute(
            update(Product)
            .where(Product.id == lamp.id)
            .values(name=ODD[:100], description=ODD * 200, seller_id=2**63 - 1)
        )

    for product in (lamp, cup):
        with database.sessions() as session:
            here = session.get_one(Product, product.id)
            here.stock = session.scalars(select(Stock).where(Stock.product_id == product.id)).one()
            assert rows.row(str(product.id)) == ShownProduct.of(here)


def test_a_glance_leaves_no_transaction_behind(database, sell, rows):
    lamp = sell("Lamp", quantity=1)
    rows.row(str(lamp.id))

    with database.engine.connect() as connection:
        here = connection.exec_driver_sql(
            "SELECT COUNT(*) FROM information_schema.innodb_trx t"
            " JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id"
            " WHERE p.db = DATABASE()"
        )
        assert here.scalar_one() == 0


def test_nobody_waits_for_who_finds_out_whether_the_database_still_hangs(
    database, sell, rows, monkeypatch
):
    """Its first callers wait together, the others then hear no at once."""
    lamp, begun, go_on = str(sell("Lamp").id), Event(), Event()
    monkeypatch.setattr(database, "_hangs", True)
    monkeypatch.setattr(database, "_next_trial_at", 0.0)

    def hanging(_glance, _refs):
        begun.set()
        assert go_on.wait(20)
        return {}

    monkeypatch.setattr(queries, "shown_by_refs", hanging)
    with ThreadPoolExecutor(1) as pool:
        tries = pool.submit(rows.row, lamp)
        assert begun.wait(20)
        with pytest.raises(Unavailable):
            rows.row(lamp)
        go_on.set()
        assert isinstance(tries.exception(), ProductNotFound)
    monkeypatch.undo()
    assert rows.row(lamp).name == "Lamp"
