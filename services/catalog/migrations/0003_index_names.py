# SPDX-License-Identifier: Apache-2.0
"""Find products by what they are called."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_index("ix_products_name", "products", ["name", "is_listed", "seller_id"])


def downgrade() -> None:
    op.drop_index("ix_products_name", "products")
