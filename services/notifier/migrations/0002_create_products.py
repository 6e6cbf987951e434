# SPDX-License-Identifier: Apache-2.0
"""Know what products are called: news of their stock name only their ids."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import VARCHAR

from common.db import exact

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "products",
        sa.Column("id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("sku", exact(64)),
        sa.Column("name", VARCHAR(512, charset="utf8mb4"), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_products"),
    )


def downgrade() -> None:
    op.drop_table("products")
