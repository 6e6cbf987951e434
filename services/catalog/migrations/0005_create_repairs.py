# SPDX-License-Identifier: Apache-2.0
"""Write down what was repaired."""

import sqlalchemy as sa
from alembic import op

from common.db import Moment, exact, folded

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "repairs",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", folded(64), nullable=False),
        sa.Column("rule", exact(64), nullable=False),
        sa.Column("subject", exact(64), nullable=False),
        sa.Column("was", sa.Text(), nullable=False),
        sa.Column("became", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repairs")),
    )


def downgrade() -> None:
    op.drop_table("repairs")
