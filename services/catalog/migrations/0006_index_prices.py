# SPDX-License-Identifier: Apache-2.0
"""List what a seller or a mark has by its price, in the order of an index."""

from alembic import op

revision = "0006"
down_revision = "0005"

BY = {"seller": "seller_id", "mark": "mark", "seller_name": "seller_name"}


def upgrade() -> None:
    for name, column in BY.items():
        columns = [column, "is_listed", "price_minor", "id"]
        op.create_index(f"ix_products_{name}_price", "products", columns)


def downgrade() -> None:
    for name in BY:
        op.drop_index(f"ix_products_{name}_price", "products")
