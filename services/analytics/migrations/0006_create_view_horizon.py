# SPDX-License-Identifier: Apache-2.0
"""Write down since when views are kept."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import TINYINT

from common.db import Moment

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "view_horizon",
        sa.Column("id", TINYINT(unsigned=True), autoincrement=False, nullable=False),
        sa.Column("since", Moment, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_view_horizon_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_view_horizon")),
    )


def downgrade() -> None:
    op.drop_table("view_horizon")
