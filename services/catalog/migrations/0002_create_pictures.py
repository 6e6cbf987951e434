# SPDX-License-Identifier: Apache-2.0
"""Create pictures and their contents."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from common.db import Moment, exact, folded

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "picture_contents",
        sa.Column("content_hash", mysql.BINARY(32), nullable=False),
        sa.Column("data", mysql.MEDIUMBLOB(), nullable=False),
        sa.PrimaryKeyConstraint("content_hash", name=op.f("pk_picture_contents")),
    )
    op.create_table(
        "pictures",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("username", folded(80), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=True),
        sa.Column("content_hash", mysql.BINARY(32), nullable=False),
        sa.Column("media_type", exact(32), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["content_hash"],
            ["picture_contents.content_hash"],
            name=op.f("fk_pictures_content_hash"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pictures")),
    )
    op.create_index("ix_pictures_content", "pictures", ["content_hash"], unique=False)
    op.create_index("ix_pictures_product", "pictures", ["product_id", "id"], unique=False)
    op.create_index("ix_pictures_username", "pictures", ["username", "id"], unique=False)


def downgrade() -> None:
    op.drop_table("pictures")
    op.drop_table("picture_contents")
