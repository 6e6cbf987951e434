# SPDX-License-Identifier: Apache-2.0
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from orders.models import Base


def test_the_migrations_make_what_the_models_say(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize(
    "values",
    [
        "'pending', NULL, NULL, NULL, NULL",
        "'confirmed', NULL, NULL, NULL, NULL",
        "'confirmed', NULL, 100, NOW(6), NOW(6)",
        "'rejected', NULL, NULL, NULL, NULL",
        "'confirmed', 'late', 100, NOW(6), NULL",
        "'lost', NULL, NULL, NULL, NULL",
    ],
)
def test_the_database_refuses_an_order_that_can_not_be(database, values):
    insert = (
        "INSERT INTO orders (id, customer_id, wanted, is_from_cart, currency, version, fence,"
        " created_at, status, reason, total_minor, placed_at, held_until)"
        f" VALUES (RANDOM_BYTES(16), 1, '[]', 0, 'USD', 1, 1, NOW(6), {values})"
    )

    with (
        pytest.raises(DBAPIError, match=r"ck_orders_\w+"),
        database.engine.begin() as connection,
    ):
        connection.execute(text(insert))
