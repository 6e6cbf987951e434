# SPDX-License-Identifier: Apache-2.0
"""What time makes worthless is deleted, a bounded number of rows in each transaction."""

from auth.commands import refresh
from common.db import Database
from common.logs import get_logger

log = get_logger(__name__)

BATCH = 500


def sweep_refresh_tokens(database: Database, *, limit: int = BATCH) -> int:
    """Delete all expired refresh tokens, then log-ins that have none left; returns how many rows.

    Tokens first: a log-in that goes then takes next to nothing with it.
    """
    swept = 0
    for forget in (refresh.forget_expired_tokens, refresh.forget_expired_families):
        deleted = limit
        while deleted == limit:
            deleted = database.run(forget, limit=limit)
            swept += deleted
    if swept:
        log.info("refresh_tokens_swept", rows=swept)
    return swept
