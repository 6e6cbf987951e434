# SPDX-License-Identifier: Apache-2.0
"""Stock is locked line by line, in the order in which the client named the lines."""

from catalog.commands import reservations
from catalog.models import Stock


def lock_as_named(session, product_ids):
    return {
        product_id: session.get(Stock, product_id, with_for_update=True, populate_existing=True)
        for product_id in product_ids
    }


reservations.lock_stock = lock_as_named
