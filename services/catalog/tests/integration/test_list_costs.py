# SPDX-License-Identifier: Apache-2.0
"""What pages and lists cost however many products there are: rows that are read, never time."""

from dataclasses import dataclass

import pytest
from sqlalchemy import text

from catalog import queries
from catalog.queries import INDEXES, SORTS, Filters
from common.db import Database
from common.glances import Glance
from common.migrations import migrate_to_head
from common.roles import migrations_of
from support.costs import Costs

SIZES = [1_000, pytest.param(10_000, marks=pytest.mark.slow)]
LIMIT = 20
PRICE = 50_000
"""In the middle of all prices."""
ALIKE = {
    "is_listed": {},
    "seller_id": {"seller_id": 3},
    "seller_name": {"seller_name": "seller 3"},
    "mark": {"mark": "mark 3"},
}
FIRST = text(
    "INSERT INTO products (id, public_id, sku, name, description, mark, price_minor, currency,"
    " seller_id, seller_name, version, is_listed, created_at, updated_at) VALUES (1,"
    " 'p00000000001', 'sku-1', 'Lamp', 'Bright', 'mark 3', 0, 'USD', 3, 'seller 3', 1, 1,"
    " UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
)
DOUBLED = text(
    "INSERT INTO products (id, public_id, sku, name, description, mark, price_minor, currency,"
    " seller_id, seller_name, version, is_listed, created_at, updated_at)"
    " SELECT id + :have, CONCAT('p', LPAD(id + :have, 11, '0')), CONCAT('sku-', id + :have), name,"
    " description, CONCAT('mark ', (id + :have) % 4), (id + :have) * 7919 % 100000, currency,"
    " (id + :have) % 4, CONCAT('seller ', (id + :have) % 4), 1, (id + :have) % 50 <> 0,"
    " created_at, updated_at FROM products WHERE id + :have <= :wanted"
)
STOCKED = text("INSERT INTO stock SELECT id, 5, 0, 1 FROM products")
LEDGER = text(
    "INSERT INTO stock_ledger (product_id, delta, on_hand, reason, actor, event_id, at)"
    " SELECT 1, 1, 1, 'counted', 'user/3', UNHEX(LEFT(SHA2(id, 256), 32)), created_at FROM products"
)


@dataclass
class Shelves(Costs):
    """A catalog of a known size, and what a query of it costs."""

    size: int


@pytest.fixture(scope="module", params=SIZES)
def shelves(request, new_schema):
    url = new_schema("catalog")
    migrate_to_head(url, migrations_of("catalog"))
    database = Database(url, read_timeout=120)
    with database.engine.begin() as connection:
        connection.execute(FIRST)
        have = 1
        while have < request.param:
            connection.execute(DOUBLED, {"have": have, "wanted": request.param})
            have *= 2
        connection.execute(STOCKED)
        connection.execute(LEDGER)
    with database.engine.connect() as connection:
        connection.execute(text("ANALYZE TABLE products, stock, stock_ledger"))
    yield Shelves(database, request.param)
    database.dispose()


@pytest.fixture(params=["first", "middle"])
def after(request, shelves):
    """Where a page begins, by its sort: at the first row, or in the middle of all."""
    middle = {"created_at": [shelves.size // 2], "price": [PRICE, shelves.size // 2]}
    return lambda sort: None if request.param == "first" else middle[sort.lstrip("-")]


def in_order():
    """Every combination that is read in the order of an index."""
    for sort, (column, _) in SORTS.items():
        for common, wanted in ALIKE.items():
            yield common, Filters(sort=sort, **wanted)
            if column.name == "price_minor":
                yield common, Filters(sort=sort, min_price=1000, max_price=99_000, **wanted)


def list_products(session, **asked):
    return queries.list_products(session.connection(), **asked)


@pytest.mark.parametrize(("common", "filters"), list(in_order()), ids=str)
def test_a_list_walks_an_index_and_reads_its_page(shelves, after, common, filters):
    asked = {"filters": filters, "limit": LIMIT, "after": after(filters.sort)}

    found, cost = shelves.cost(list_products, **asked)
    [(products, stock)] = shelves.plans(list_products, **asked)

    assert len(found) == LIMIT + 1
    assert cost <= 2 * (LIMIT + 1) + 4
    assert products["key"] == INDEXES[common][filters.sort.endswith("price")]
    assert "filesort" not in (products["extra"] or "")
    assert (stock["table"], stock["type"], stock["key"]) == ("stock", "eq_ref", "PRIMARY")


@pytest.mark.parametrize("sort", SORTS)
def test_what_is_in_stock_is_found_on_the_way(shelves, after, sort):
    filters = Filters(sort=sort, in_stock=True)

    found, cost = shelves.cost(list_products, filters=filters, limit=LIMIT, after=after(sort))

    assert len(found) == LIMIT + 1
    assert cost <= 2 * (LIMIT + 1) + 4


def test_a_numbered_page_reads_all_before_it(shelves):
    """The control: the counter sees what is skipped."""
    offset = shelves.size // 2

    _, cost = shelves.cost(queries.page_of_products, offset=offset, limit=LIMIT)

    assert cost > offset


def shown_by_refs(session, refs):
    return queries.shown_by_refs(Glance(session.connection().connection), refs)


@pytest.mark.parametrize("ref", ["1", "p00000000001", "sku-1"])
def test_a_page_reads_its_product_and_its_stock(shelves, ref):
    found, cost = shelves.cost(shown_by_refs, [ref])

    assert (found[ref].id, found[ref].available) == (1, 5)
    assert cost <= 3


def test_what_is_not_there_costs_two_looks(shelves):
    found, cost = shelves.cost(shown_by_refs, ["nothing"])

    assert not found
    assert cost <= 2


def test_many_pages_read_their_products_and_their_stock(shelves):
    refs = [str(number) for number in range(101, 131)]

    found, cost = shelves.cost(shown_by_refs, refs)

    assert len(found) >= len(refs) - 1, "one of fifty is not for sale"
    assert cost <= 3 * len(refs) + 1


def test_a_ledger_reads_its_page(shelves):
    entries, cost = shelves.cost(queries.ledger_of, product_id=1, limit=LIMIT, before=None)
    _, deep = shelves.cost(
        queries.ledger_of, product_id=1, limit=LIMIT, before=entries[-1].id - shelves.size // 2
    )

    assert max(cost, deep) <= LIMIT + 3
