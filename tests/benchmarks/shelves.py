# SPDX-License-Identifier: Apache-2.0
"""Products by the thousand, put into a catalog's tables without a word to anybody."""

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
STOCKED = "INSERT INTO stock SELECT id, 5, 0, 1 FROM products WHERE mark = %s"


def stock_up(catalog: Cursor, count: int) -> range:
    """Put *count* new products on the shelves, five of each; their ids."""
    catalog.execute("SELECT COALESCE(MAX(id), 0) + 1 FROM products")
    (first,) = catalog.fetchone() or (1,)
    made = range(first, first + count)
    catalog.execute(FIRST, (first, f"b{first:011}", MARK))
    have = 1
    while have < count:
        catalog.execute(DOUBLED, {"have": have, "mark": MARK, "end": made.stop})
        have *= 2
    catalog.execute(STOCKED, (MARK,))
    catalog.execute("ANALYZE TABLE products, stock")
    catalog.fetchall()
    return made


def clear_away(catalog: Cursor) -> None:
    """Take them all off the shelves again."""
    catalog.execute(
        "DELETE stock FROM stock JOIN products ON id = product_id WHERE mark = %s", MARK
    )
    catalog.execute("DELETE FROM products WHERE mark = %s", MARK)
