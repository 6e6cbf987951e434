# SPDX-License-Identifier: Apache-2.0
"""Find what was told of one thing: the audit and an order's timeline ask for it."""

from alembic import op

revision = "0002"
down_revision = "0001"

NAME = "ix_event_log_subject_type_aggregate_version"


def upgrade() -> None:
    op.create_index(NAME, "event_log", ["subject", "type", "aggregate_version"])


def downgrade() -> None:
    op.drop_index(NAME, "event_log")
