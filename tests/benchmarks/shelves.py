# SPDX-License-Identifier: Apache-2.0
"""Products by the thousand, put into a catalog's tables without a word to anybody."""

from collections.abc import Iterator
from contextlib import contextmanager

from pymysql.cursors import Cursor

MARK = "of a benchmark"
COLUMNS = "id, public_id, name, description, mark, price_minor, currency, seller_id, seller_name"
FIRST = f"""
    INSERT INTO products ({COLUMNS}, version, is_listed, created_at, updated_at)
    VALUES (%s, %s, 'Lamp', 'It gives light.', %s, 1250, 'USD', 1, 'admin', 1, 1,
            UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
"""
DOUBLED = f"""
    INSERT INTO products ({COLUMNS}, version, is_listed, created_at, updated_at)
    SELECT id + %(have)s, CONCAT('b', LPAD(id + %(have)s, 11, '0')), name, description, mark,
           (id + %(have)s) * 7919 %% 1000000, currency, seller_id, seller_name, 1, 1, created_at,
           updated_at
    FROM products WHERE mark = %(mark)s AND id + %(have)s < %(end)s
"""
STOCKED = "INSERT INTO stock SELECT id, %s, 0, 1 FROM products WHERE mark = %s"
INDEXES = """
    SELECT index_name, GROUP_CONCAT(column_name ORDER BY seq_in_index), MIN(non_unique)
    FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'products' AND index_name <> 'PRIMARY'
    GROUP BY index_name
"""


@contextmanager
def bare(catalog: Cursor) -> Iterator[None]:
    """Products without indexes: a million are put in order once, instead of one by one."""
    catalog.execute(INDEXES)
    indexes = catalog.fetchall()
    dropped = (f"DROP INDEX {name}" for name, *_ in indexes)
    catalog.execute(f"ALTER TABLE products {', '.join(dropped)}")
    yield
    made = (
        f"ADD {'INDEX' if may_repeat else 'UNIQUE'} {name} ({columns})"
        for name, columns, may_repeat in indexes
    )
    catalog.execute(f"ALTER TABLE products {', '.join(made)}")


def stock_up(catalog: Cursor, count: int, *, units: int = 5, mark: str = MARK) -> range:
    """Put *count* new products on the shelves, of each so many *units*; their ids.

    Args:
        mark: By which they are known. It must be no other products' mark.
    """
    catalog.execute("SELECT COALESCE(MAX(id), 0) + 1 FROM products")
    (first,) = catalog.fetchone() or (1,)
    made = range(first, first + count)
    catalog.execute(FIRST, (first, f"b{first:011}", mark))
    have = 1
    while have < count:
        catalog.execute(DOUBLED, {"have": have, "mark": mark, "end": made.stop})
        have *= 2
    catalog.execute(STOCKED, (units, mark))
    catalog.execute("ANALYZE TABLE products, stock")
    catalog.fetchall()
    return made


def clear_away(catalog: Cursor) -> None:
    """Take them all off the shelves again."""
    catalog.execute(
        "DELETE stock FROM stock JOIN products ON id = product_id WHERE mark = %s", MARK
    )
    catalog.execute("DELETE FROM products WHERE mark = %s", MARK)
