# SPDX-License-Identifier: Apache-2.0
"""Create carts, orders and what goes with them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from common.db import Identifier, Moment, exact, folded

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "cart_items",
        sa.Column("customer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("product_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("added_at", Moment(), nullable=False),
        sa.CheckConstraint("quantity BETWEEN 1 AND 1000000", name=op.f("ck_cart_items_quantity")),
        sa.PrimaryKeyConstraint("customer_id", "product_id", name=op.f("pk_cart_items")),
    )
    op.create_table(
        "carts",
        sa.Column("customer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("ordering_id", Identifier(), nullable=True),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_carts")),
    )
    op.create_table(
        "customers",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("username", folded(255), nullable=False),
        sa.Column("is_guest", sa.Boolean(), nullable=False),
        sa.Column("is_deleted", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", exact(255), nullable=False),
        sa.Column("fingerprint", sa.BINARY(length=32), nullable=False),
        sa.Column("reference", Identifier(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("body", mysql.MEDIUMBLOB(), nullable=True),
        sa.Column("claimed_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_claimed_at", "idempotency_keys", ["claimed_at"])
    op.create_table(
        "inbox_messages",
        sa.Column("event_id", Identifier(), nullable=False),
        sa.Column("consumer", exact(64), nullable=False),
        sa.Column("handled_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "consumer", name=op.f("pk_inbox_messages")),
    )
    op.create_index("ix_inbox_messages_handled_at", "inbox_messages", ["handled_at"])
    op.create_table(
        "orders",
        sa.Column("id", Identifier(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("status", exact(16), nullable=False),
        sa.Column("reason", exact(64), nullable=True),
        sa.Column("wanted", mysql.BLOB(), nullable=False),
        sa.Column("expected_total_minor", sa.BigInteger(), nullable=True),
        sa.Column("is_from_cart", sa.Boolean(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", exact(3), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("held_until", Moment(), nullable=True),
        sa.Column("idempotency_key", exact(255), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("placed_at", Moment(), nullable=True),
        sa.CheckConstraint(
            "(status = 'pending') = (held_until IS NOT NULL)", name=op.f("ck_orders_held_until")
        ),
        sa.CheckConstraint(
            "(status = 'rejected') = (reason IS NOT NULL)", name=op.f("ck_orders_reason")
        ),
        sa.CheckConstraint(
            "(status IN ('confirmed', 'cancelled'))"
            " = (placed_at IS NOT NULL AND total_minor IS NOT NULL)",
            name=op.f("ck_orders_placed_at"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'confirmed', 'cancelled', 'rejected')",
            name=op.f("ck_orders_status"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
    )
    op.create_index("ix_orders_customer_id", "orders", ["customer_id", "id"])
    op.create_index("ix_orders_held_until", "orders", ["held_until"])
    op.create_table(
        "outbox_messages",
        sa.Column("seq", mysql.BIGINT(unsigned=True), autoincrement=True, nullable=False),
        sa.Column("event_id", Identifier(), nullable=False),
        sa.Column("type", exact(64), nullable=False),
        sa.Column("subject", exact(64), nullable=False),
        sa.Column("aggregate_version", sa.BigInteger(), nullable=False),
        sa.Column("routing_key", exact(128), nullable=False),
        sa.Column("correlation_id", exact(64), nullable=False),
        sa.Column("body", mysql.MEDIUMBLOB(), nullable=False),
        sa.Column("occurred_at", Moment(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox_messages")),
        sa.UniqueConstraint("event_id", name=op.f("uq_outbox_messages_event_id")),
    )
    op.create_index(
        "ix_outbox_messages_next_attempt_at", "outbox_messages", ["next_attempt_at", "seq"]
    )
    op.create_table(
        "order_items",
        sa.Column("order_id", Identifier(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("sku", mysql.VARCHAR(255, charset="utf8mb4"), nullable=True),
        sa.Column("name", mysql.VARCHAR(1024, charset="utf8mb4"), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("is_sold", sa.Boolean(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_order_items_quantity")),
        sa.CheckConstraint("unit_price_minor >= 0", name=op.f("ck_order_items_unit_price_minor")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_items_order_id")),
        sa.PrimaryKeyConstraint("order_id", "product_id", name=op.f("pk_order_items")),
    )
    op.create_index(
        "ix_order_items_product_id", "order_items", ["product_id", "is_sold", "quantity"]
    )


def downgrade() -> None:
    op.drop_table("order_items")
    op.drop_table("outbox_messages")
    op.drop_table("orders")
    op.drop_table("inbox_messages")
    op.drop_table("idempotency_keys")
    op.drop_table("customers")
    op.drop_table("carts")
    op.drop_table("cart_items")
