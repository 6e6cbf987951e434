# SPDX-License-Identifier: Apache-2.0
"""Alembic's environment, the same for every service."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("metadata"),
    compare_type=True,
    compare_server_default=False,
    transactional_ddl=False,
)
context.run_migrations()
