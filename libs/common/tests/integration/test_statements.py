# SPDX-License-Identifier: Apache-2.0
"""Statements that are made once: one text for SQLAlchemy's connection and for the driver's own."""

from sqlalchemy import bindparam, column, select, table, update

from common.statements import Statement

COUNTERS = table("counters", column("name"), column("value"))
BIG_ONES = Statement(
    select(COUNTERS.c.name)
    .where(COUNTERS.c.name.op("IN")(bindparam("names")), COUNTERS.c.value > 1)
    .order_by(COUNTERS.c.name)
)
RESET = Statement(update(COUNTERS).where(COUNTERS.c.name == bindparam("which")).values(value=0))


def test_values_of_its_own_are_kept_and_the_others_are_asked_for_each_time(shop):
    for name in ("lamps", "lamps", "mugs", "rugs", "rugs"):
        shop.database.run(shop.add, name)

    for read in (shop.database.look, shop.database.glance):
        assert [tuple(row) for row in read(BIG_ONES.rows, names=["lamps", "mugs"])] == [("lamps",)]
        assert list(read(BIG_ONES.rows, names=["mugs"])) == []
        assert [name for (name,) in read(BIG_ONES.rows, names=["lamps", "rugs"])] == [
            "lamps",
            "rugs",
        ]


def test_a_change_says_how_many_rows_it_found(shop):
    shop.database.run(shop.add, "lamps")

    def reset(session, name):
        return RESET.run(session.connection(), which=name).rowcount

    assert shop.database.run(reset, "lamps") == 1
    assert shop.database.run(reset, "none") == 0
    assert list(shop.database.glance(BIG_ONES.rows, names=["lamps"])) == []
