# SPDX-License-Identifier: Apache-2.0
"""Orders that have begun and are not settled."""

from collections.abc import Mapping

from common.db import Database
from common.idempotency import Key
from orders.commands.begin import Begun, Wish, begin_orders

ANY_REQUEST = b"f" * 32


def wish(
    lines: Mapping[int, int] | None,
    *,
    key: str = "k",
    owner: int = 1,
    fingerprint: bytes = ANY_REQUEST,
) -> Wish:
    """A wish for these units by product id, or for the cart."""
    whose = Key(owner_id=owner, word=key)
    return Wish(key=whose, fingerprint=fingerprint, lines=lines, expected_total=None)


def begin_all(database: Database, *wishes: Wish) -> list[Begun]:
    return database.run(begin_orders, wishes, currency="USD", hold_seconds=60)


def begin(database: Database, lines: Mapping[int, int] | None, **wanted: object) -> Begun:
    """Begin one order, as a request that dies at once; its holder has a minute."""
    [begun] = begin_all(database, wish(lines, **wanted))
    return begun
