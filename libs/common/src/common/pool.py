# SPDX-License-Identifier: Apache-2.0
"""The pool of database connections, which tells how busy it is."""

from typing import Any

from sqlalchemy import PoolProxiedConnection, QueuePool, event
from sqlalchemy.pool import ConnectionPoolEntry

from common.metrics import POOL_USED, POOL_WAITING

LENT = "souk.lent"


class MeasuredPool(QueuePool):
    """Counts the connections that are lent, and the callers that wait for one."""

    def connect(self) -> PoolProxiedConnection:
        with POOL_WAITING.track_inprogress():
            return super().connect()


@event.listens_for(MeasuredPool, "checkout")
def _lent(_connection: Any, entry: ConnectionPoolEntry, _fairy: Any) -> None:
    entry.info[LENT] = True
    POOL_USED.inc()


@event.listens_for(MeasuredPool, "checkin")
def _returned(_connection: Any, entry: ConnectionPoolEntry) -> None:
    # One that could not be opened again comes back, too, though nobody got it.
    if entry.info.pop(LENT, False):
        POOL_USED.dec()
