# SPDX-License-Identifier: Apache-2.0
"""Find products by what they, and their sellers, are called."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_index("ix_products_name", "products", ["name", "is_listed", "seller_id"])
    op.create_index("ix_products_seller_name", "products", ["seller_name", "is_listed", "id"])


def downgrade() -> None:
    op.drop_index("ix_products_seller_name", "products")
    op.drop_index("ix_products_name", "products")
