# SPDX-License-Identifier: Apache-2.0
"""The pool of database connections, which tells how busy it is."""

from sqlalchemy import PoolProxiedConnection, QueuePool, event

from common.metrics import POOL_USED, POOL_WAITING


class MeasuredPool(QueuePool):
    """Counts the connections that are lent, and the callers that wait for one."""

    def connect(self) -> PoolProxiedConnection:
        with POOL_WAITING.track_inprogress():
            return super().connect()


@event.listens_for(MeasuredPool, "checkout")
def _lent(*_: object) -> None:
    POOL_USED.inc()


@event.listens_for(MeasuredPool, "checkin")
def _returned(*_: object) -> None:
    POOL_USED.dec()
