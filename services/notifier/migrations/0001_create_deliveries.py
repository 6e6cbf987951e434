# SPDX-License-Identifier: Apache-2.0
"""Create recipients, notices and their deliveries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMBLOB, VARCHAR

from common.db import Identifier, Moment, exact, folded

revision = "0001"
down_revision = None


def text(length: int) -> VARCHAR:
    return VARCHAR(length, charset="utf8mb4")


def upgrade() -> None:
    op.create_table(
        "inbox_messages",
        sa.Column("event_id", Identifier, nullable=False),
        sa.Column("consumer", exact(64), nullable=False),
        sa.Column("handled_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("event_id", "consumer", name="pk_inbox_messages"),
    )
    op.create_index("ix_inbox_messages_handled_at", "inbox_messages", ["handled_at"])
    op.create_table(
        "recipients",
        sa.Column("user_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("username", text(255), nullable=False),
        sa.Column("email", folded(320)),
        sa.Column("fullname", text(255)),
        sa.Column("role", exact(16), nullable=False),
        sa.Column("is_deleted", sa.Boolean, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_recipients"),
    )
    op.create_index("ix_recipients_role_is_deleted", "recipients", ["role", "is_deleted"])
    op.create_table(
        "mailboxes",
        sa.Column("user_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("held_until", Moment),
        sa.PrimaryKeyConstraint("user_id", name="pk_mailboxes"),
    )
    op.create_table(
        "notices",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("customer_id", sa.BigInteger),
        sa.Column("opened_at", Moment, nullable=False),
        sa.Column("fanned_out_at", Moment),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
    )
    op.create_index("ix_notices_fanned_out_at_opened_at", "notices", ["fanned_out_at", "opened_at"])
    op.create_table(
        "notice_parts",
        sa.Column("event_id", Identifier, nullable=False),
        sa.Column("notice_id", Identifier, nullable=False),
        sa.Column("event_type", exact(64), nullable=False),
        sa.Column("body", MEDIUMBLOB, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_notice_parts"),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notices.id"], name="fk_notice_parts_notice_id", ondelete="CASCADE"
        ),
    )
    op.create_index(
        "uq_notice_parts_notice_id", "notice_parts", ["notice_id", "event_type"], unique=True
    )
    _create_deliveries()


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("notice_id", Identifier, nullable=False),
        sa.Column("event_id", Identifier, nullable=False),
        sa.Column("event_type", exact(64), nullable=False),
        sa.Column("recipient", folded(320)),
        sa.Column("subject", text(255), nullable=False),
        sa.Column("status", exact(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", Moment),
        sa.Column("mail_id", Identifier),
        sa.Column("claimed_at", Moment),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("sent_at", Moment),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name="fk_deliveries_notice_id"),
        sa.CheckConstraint(
            "status IN ('pending', 'sending', 'sent', 'failed', 'cancelled')",
            name=op.f("ck_deliveries_status"),
        ),
        sa.CheckConstraint(
            "(status IN ('pending', 'sending')) = (due_at IS NOT NULL)",
            name=op.f("ck_deliveries_due_at"),
        ),
        sa.CheckConstraint(
            "(status = 'sent') = (sent_at IS NOT NULL)", name=op.f("ck_deliveries_sent_at")
        ),
    )
    for columns in (
        ("due_at", "user_id"),
        ("user_id", "due_at"),
        ("user_id", "claimed_at", "mail_id"),
        ("mail_id",),
        ("status", "id"),
        ("created_at",),
    ):
        op.create_index(f"ix_deliveries_{'_'.join(columns)}", "deliveries", list(columns))
    op.create_index(
        "uq_deliveries_notice_id_user_id", "deliveries", ["notice_id", "user_id"], unique=True
    )


def downgrade() -> None:
    for table in (
        "deliveries",
        "notice_parts",
        "notices",
        "mailboxes",
        "recipients",
        "inbox_messages",
    ):
        op.drop_table(table)
