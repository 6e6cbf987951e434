# SPDX-License-Identifier: Apache-2.0
"""Create views, sales, counts, products and the log of events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import BIGINT, MEDIUMBLOB, VARCHAR

from common.db import Identifier, Moment, exact

revision = "0001"
down_revision = None


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
        "views",
        sa.Column("at", Moment, nullable=False),
        sa.Column("event_id", Identifier, nullable=False),
        sa.Column("product_id", sa.BigInteger, nullable=False),
        sa.Column("viewer_id", sa.BigInteger, nullable=True),
        sa.Column("session", exact(64), nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("at", "event_id", name="pk_views"),
        # The worker splits days off the last partition; until then that one takes everything.
        mysql_partition_by=("RANGE COLUMNS (at) (PARTITION p_future VALUES LESS THAN (MAXVALUE))"),
    )
    op.create_index(
        "ix_views_product_id_at_event_id_viewer_id_session",
        "views",
        ["product_id", "at", "event_id", "viewer_id", "session"],
    )
    op.create_index("ix_views_viewer_id_at_event_id", "views", ["viewer_id", "at", "event_id"])

    op.create_table(
        "product_minutes",
        sa.Column("minute", Moment, nullable=False),
        sa.Column("product_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("views", sa.BigInteger, nullable=False),
        sa.Column("orders", sa.BigInteger, nullable=False),
        sa.Column("units", sa.BigInteger, nullable=False),
        sa.Column("revenue", sa.Numeric(38, 0), nullable=False),
        sa.CheckConstraint("views >= 0", name="ck_product_minutes_views"),
        sa.CheckConstraint("orders >= 0", name="ck_product_minutes_orders"),
        sa.CheckConstraint("units >= 0", name="ck_product_minutes_units"),
        sa.CheckConstraint("revenue >= 0", name="ck_product_minutes_revenue"),
        sa.PrimaryKeyConstraint("minute", "product_id", name="pk_product_minutes"),
    )
    op.create_index(
        "ix_product_minutes_product_id_minute", "product_minutes", ["product_id", "minute"]
    )

    op.create_table(
        "sales",
        sa.Column("order_id", exact(64), nullable=False),
        sa.Column("line", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("product_id", sa.BigInteger, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("unit_price", sa.BigInteger, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("status", exact(16), nullable=False),
        sa.CheckConstraint("status IN ('placed', 'cancelled')", name="ck_sales_status"),
        sa.CheckConstraint("quantity > 0", name="ck_sales_quantity"),
        sa.CheckConstraint("unit_price >= 0", name="ck_sales_unit_price"),
        sa.PrimaryKeyConstraint("order_id", "line", name="pk_sales"),
    )
    op.create_index("ix_sales_product_id_at", "sales", ["product_id", "at"])

    op.create_table(
        "products",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("public_id", exact(32), nullable=True),
        sa.Column("sku", exact(64), nullable=True),
        sa.Column("name", VARCHAR(512, charset="utf8mb4"), nullable=False),
        sa.Column("seller_id", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("is_deleted", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_products"),
    )
    op.create_index("ix_products_public_id", "products", ["public_id"])
    op.create_index("ix_products_sku", "products", ["sku"])

    op.create_table(
        "event_log",
        sa.Column("seq", BIGINT(unsigned=True), autoincrement=True, nullable=False),
        sa.Column("event_id", Identifier, nullable=False),
        sa.Column("source", exact(64), nullable=False),
        sa.Column("type", exact(64), nullable=False),
        sa.Column("version", exact(16), nullable=False),
        sa.Column("subject", exact(64), nullable=False),
        sa.Column("aggregate_version", sa.BigInteger, nullable=False),
        sa.Column("time", Moment, nullable=False),
        sa.Column("correlation_id", exact(64), nullable=False),
        sa.Column("causation_id", exact(64), nullable=True),
        sa.Column("actor", exact(64), nullable=False),
        sa.Column("body", MEDIUMBLOB, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_event_log"),
        sa.UniqueConstraint("event_id", name="uq_event_log_event_id"),
    )


def downgrade() -> None:
    for table in (
        "event_log",
        "products",
        "sales",
        "product_minutes",
        "views",
        "inbox_messages",
    ):
        op.drop_table(table)
