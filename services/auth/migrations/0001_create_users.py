# SPDX-License-Identifier: Apache-2.0
"""Create users, their refresh tokens, and the outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

MOMENT = mysql.DATETIME(fsp=6)


def ascii_text(length: int) -> mysql.VARCHAR:
    return mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")


def folded(length: int) -> mysql.VARCHAR:
    return mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")


def text(length: int) -> mysql.VARCHAR:
    return mysql.VARCHAR(length, charset="utf8mb4")


def upgrade() -> None:
    create_users()
    create_refresh_families()
    create_refresh_tokens()
    create_outbox()


def create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=True),
        sa.Column("username", text(80), nullable=False),
        sa.Column("username_key", folded(160), nullable=True),
        sa.Column("email", text(254), nullable=True),
        sa.Column("email_key", folded(254), nullable=True),
        sa.Column("fullname", text(200), nullable=True),
        sa.Column("role", ascii_text(16), nullable=False),
        sa.Column("guest", sa.Boolean(), nullable=False),
        sa.Column("password_hash", ascii_text(255), nullable=True),
        sa.Column("token_epoch", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("username_key", name="uq_users_username_key"),
        sa.UniqueConstraint("email_key", name="uq_users_email_key"),
        sa.CheckConstraint("role IN ('admin', 'user', 'analyst')", name="ck_users_role"),
        sa.CheckConstraint(
            "(deleted_at IS NULL) = (username_key IS NOT NULL)", name="ck_users_name"
        ),
        sa.CheckConstraint("(email IS NULL) = (email_key IS NULL)", name="ck_users_email"),
        sa.CheckConstraint(
            "deleted_at IS NULL"
            " OR (role = 'user' AND email IS NULL AND fullname IS NULL AND password_hash IS NULL)",
            name="ck_users_anonymous",
        ),
        mysql_charset="utf8mb4",
    )
    op.create_index("ix_users_role", "users", ["role"])


def create_refresh_families() -> None:
    op.create_table(
        "refresh_families",
        sa.Column("id", sa.BINARY(16), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_refresh_families"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_refresh_families_user_id"),
        mysql_charset="utf8mb4",
    )
    op.create_index("ix_refresh_families_user_id", "refresh_families", ["user_id"])
    op.create_index("ix_refresh_families_expires_at", "refresh_families", ["expires_at"])


def create_refresh_tokens() -> None:
    op.create_table(
        "refresh_tokens",
        sa.Column("digest", sa.BINARY(32), nullable=False),
        sa.Column("family_id", sa.BINARY(16), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_refresh_tokens"),
        sa.ForeignKeyConstraint(
            ["family_id"],
            ["refresh_families.id"],
            name="fk_refresh_tokens_family_id",
            ondelete="CASCADE",
        ),
        mysql_charset="utf8mb4",
    )
    op.create_index("ix_refresh_tokens_family_id", "refresh_tokens", ["family_id"])
    op.create_index("ix_refresh_tokens_expires_at", "refresh_tokens", ["expires_at"])


def create_outbox() -> None:
    op.create_table(
        "outbox_messages",
        sa.Column("seq", mysql.BIGINT(unsigned=True), nullable=False, autoincrement=True),
        sa.Column("event_id", sa.BINARY(16), nullable=False),
        sa.Column("type", ascii_text(64), nullable=False),
        sa.Column("subject", ascii_text(64), nullable=False),
        sa.Column("aggregate_version", sa.BigInteger(), nullable=False),
        sa.Column("routing_key", ascii_text(128), nullable=False),
        sa.Column("correlation_id", ascii_text(64), nullable=False),
        sa.Column("body", mysql.MEDIUMBLOB(), nullable=False),
        sa.Column("occurred_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_outbox_messages"),
        sa.UniqueConstraint("event_id", name="uq_outbox_messages_event_id"),
        mysql_charset="utf8mb4",
    )
    op.create_index(
        "ix_outbox_messages_next_attempt_at", "outbox_messages", ["next_attempt_at", "seq"]
    )


def downgrade() -> None:
    for table in ("outbox_messages", "refresh_tokens", "refresh_families", "users"):
        op.drop_table(table)
