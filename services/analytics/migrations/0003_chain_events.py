# SPDX-License-Identifier: Apache-2.0
"""Chain the log of events, and find what an event caused and what was told in a stretch of time."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import BIGINT, TINYINT

revision = "0003"
down_revision = "0002"

INDEXES = {
    "ix_event_log_causation_id": ["causation_id"],
    "ix_event_log_correlation_id": ["correlation_id"],
    "ix_event_log_time_seq_type": ["time", "seq", "type"],
}


def upgrade() -> None:
    # Both stay empty until the worker seals the row: what was logged before is sealed as well.
    op.add_column("event_log", sa.Column("position", BIGINT(unsigned=True), nullable=True))
    op.add_column("event_log", sa.Column("hash", sa.BINARY(32), nullable=True))
    op.create_unique_constraint("uq_event_log_position", "event_log", ["position"])
    for name, columns in INDEXES.items():
        op.create_index(name, "event_log", columns)
    op.create_table(
        "event_log_head",
        sa.Column("id", TINYINT(unsigned=True), autoincrement=False, nullable=False),
        sa.Column("position", BIGINT(unsigned=True), nullable=False),
        sa.Column("hash", sa.BINARY(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event_log_head"),
        sa.CheckConstraint("id = 1", name="ck_event_log_head_id"),
    )


def downgrade() -> None:
    op.drop_table("event_log_head")
    for name in INDEXES:
        op.drop_index(name, "event_log")
    op.drop_constraint("uq_event_log_position", "event_log", type_="unique")
    op.drop_column("event_log", "hash")
    op.drop_column("event_log", "position")
