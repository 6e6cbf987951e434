# SPDX-License-Identifier: Apache-2.0
"""What a reservation costs in statements: counted, never timed."""

from uuid import uuid4

import pytest
from sqlalchemy import event

from catalog.commands.reservations import Wish, reserve_stock


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

    database.run(reserve_stock, order_id=uuid4(), wish=Wish(lines=wanted, prices={}, total=None))

    assert [statement.split()[0] for statement in statements] == [
        "SELECT",
        "SELECT",
        "SELECT",
        "UPDATE",
        "INSERT",
    ]
