# SPDX-License-Identifier: Apache-2.0
"""Totals as the older APIs show them, while they cost little. Queries use this: no Flask here."""

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

MOST_COUNTED = 10_000
"""Beyond that the total is nobody's business: counting would cost more than the page."""


def counted(session: Session, query: Select[Any]) -> int | None:
    """How many rows *query* has, None for more than ``MOST_COUNTED``."""
    some = query.order_by(None).limit(MOST_COUNTED + 1).subquery()
    found = session.scalar(select(func.count()).select_from(some)) or 0
    return found if found <= MOST_COUNTED else None
