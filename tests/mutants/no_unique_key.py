# SPDX-License-Identifier: Apache-2.0
"""The table of idempotency keys has an index, and nothing that makes a key unique."""

from sqlalchemy import create_engine, inspect

from common import migrations

migrate_to_head = migrations.migrate_to_head


def migrate_without_key(url, *arguments, **options):
    migrate_to_head(url, *arguments, **options)
    engine = create_engine(url)
    with engine.connect() as connection:
        if inspect(connection).has_table("idempotency_keys"):
            connection.exec_driver_sql(
                "ALTER TABLE idempotency_keys DROP PRIMARY KEY, ADD INDEX (owner_id, `key`)"
            )
    engine.dispose()


migrations.migrate_to_head = migrate_without_key
