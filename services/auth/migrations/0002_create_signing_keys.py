# SPDX-License-Identifier: Apache-2.0
"""Create the signing keys that rotations make."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"

MOMENT = mysql.DATETIME(fsp=6)


def ascii_text(length: int) -> mysql.VARCHAR:
    return mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")


def upgrade() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("kid", ascii_text(64), nullable=False),
        sa.Column("public_key", ascii_text(255), nullable=False),
        sa.Column("private_key", sa.VARBINARY(255), nullable=True),
        sa.Column("published_at", MOMENT, nullable=False),
        sa.Column("signs_from", MOMENT, nullable=False),
        sa.Column("retires_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_signing_keys"),
        sa.UniqueConstraint("kid", name="uq_signing_keys_kid"),
        mysql_charset="utf8mb4",
    )


def downgrade() -> None:
    op.drop_table("signing_keys")
