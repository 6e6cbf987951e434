# SPDX-License-Identifier: Apache-2.0
"""What a list of orders costs however many orders there are: rows that are read, never time."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import insert, text

from common.db import Database
from common.identifiers import uuid7
from common.migrations import migrate_to_head
from common.roles import migrations_of
from orders import queries
from orders.models import Order, OrderItem
from support.costs import Costs

CUSTOMERS, ORDERS, LINES = 20, 1_000, 2
LIMIT = 20
MADE = datetime(2026, 1, 1, tzinfo=UTC)


def order(number):
    return {
        "id": uuid7(),
        "customer_id": number % CUSTOMERS,
        "status": "confirmed",
        "wanted": {},
        "is_from_cart": False,
        "total_minor": 2,
        "currency": "USD",
        "version": 2,
        "fence": 1,
        "created_at": MADE,
        "placed_at": MADE,
    }


def line(order, product):
    return {
        "order_id": order["id"],
        "product_id": product,
        "customer_id": order["customer_id"],
        "name": "Lamp",
        "quantity": 1,
        "unit_price_minor": 1,
        "is_sold": True,
    }


@pytest.fixture(scope="module")
def shop(new_schema):
    url = new_schema("orders")
    migrate_to_head(url, migrations_of("orders"))
    database = Database(url)
    orders = [order(number) for number in range(ORDERS)]
    with database.engine.begin() as connection:
        connection.execute(insert(Order.__table__), orders)
        lines = [line(each, product) for each in orders for product in range(1, LINES + 1)]
        connection.execute(insert(OrderItem.__table__), lines)
    with database.engine.connect() as connection:
        connection.execute(text("ANALYZE TABLE orders, order_items"))
    yield Costs(database)
    database.dispose()


def list_orders(session, **asked):
    return queries.list_orders(session.connection(), **asked)


def order_by_id(session, *asked, **whose):
    return queries.order_by_id(session.connection(), *asked, **whose)


@pytest.fixture(params=["first", "next"])
def before(request, shop):
    """Where a customer's page begins: at the newest order, or behind a page."""
    asked = {"customer_id": 3, "before": None, "limit": LIMIT}
    page = shop.database.look(queries.list_orders, **asked)
    return None if request.param == "first" else UUID(page[-1].id)


@pytest.mark.parametrize(
    ("customer_id", "index"), [(3, "ix_orders_customer_id"), (None, "PRIMARY")], ids=str
)
def test_a_list_walks_an_index_and_reads_its_page(shop, customer_id, index, before):
    asked = {"customer_id": customer_id, "before": before, "limit": LIMIT}

    found, cost = shop.cost(list_orders, **asked)
    [[orders], [items]] = shop.plans(list_orders, **asked)

    assert len(found) == LIMIT
    assert all(len(each.items) == LINES for each in found)
    assert cost <= 2 * LIMIT * (1 + LINES)
    assert (orders["key"], items["key"]) == (index, "PRIMARY")
    assert "filesort" not in f"{orders['extra']}{items['extra']}"


@pytest.mark.parametrize("customer_id", [0, None])
def test_an_order_is_looked_up_by_its_key(shop, customer_id):
    [newest] = shop.database.look(queries.list_orders, customer_id=0, before=None, limit=1)
    asked = UUID(newest.id)

    found, cost = shop.cost(order_by_id, asked, customer_id=customer_id)
    [[order], [items]] = shop.plans(order_by_id, asked, customer_id=customer_id)

    assert found == newest
    assert cost <= 2 * (1 + LINES)
    assert (order["key"], items["key"]) == ("PRIMARY", "PRIMARY")


def test_an_offset_reads_all_before_it(shop):
    """The control: the counter sees what is skipped."""
    skipping = text("SELECT id FROM orders ORDER BY id LIMIT 20 OFFSET 500")

    _, cost = shop.cost(lambda session: session.execute(skipping).all())

    assert cost > 500
