# SPDX-License-Identifier: Apache-2.0
"""What a reservation or a list costs in statements: counted, never timed."""

from uuid import uuid4

import pytest
from sqlalchemy import event

from catalog.commands.reservations import Wish
from support.reserving import reserve_one


@pytest.fixture
def statements(database):
    sent = []

    def count(_connection, _cursor, statement, *_):
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", count)
    yield sent
    event.remove(database.engine, "before_cursor_execute", count)


@pytest.mark.parametrize("lines", [1, 5])
def test_a_reservation_takes_five_statements_however_many_lines_it_has(
    database, sell, statements, lines
):
    wanted = {sell(f"Lamp {number}", quantity=3).id: 1 for number in range(lines)}
    statements.clear()

    reserve_one(database, order_id=uuid4(), wish=Wish(lines=wanted, prices={}, total=None))

    assert [statement.split()[0] for statement in statements] == [
        "SELECT",
        "SELECT",
        "SELECT",
        "UPDATE",
        "INSERT",
    ]


def test_a_list_of_v1_counts_nothing(client, sell, statements):
    sell("Lamp")
    statements.clear()

    client.get("/v1/products?seller=grace&in_stock=false")

    (listing,) = statements
    assert "count(" not in listing.lower()
    assert "LIMIT" in listing


@pytest.mark.parametrize("path", ["/product/all", "/api/products", "/api/products/my"])
def test_a_list_of_a_seed_reads_one_page_and_counts_ten_thousand_at_most(
    client, sell, grace, statements, path
):
    for number in range(3):
        sell(f"Lamp {number}")
    statements.clear()

    client.get(f"{path}?limit=1&page=2", headers=grace)

    page, count = statements
    assert page.count("LIMIT") == count.count("LIMIT") == 1
    assert "count(" in count.lower()
