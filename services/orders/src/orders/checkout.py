# SPDX-License-Identifier: Apache-2.0
"""From a wish to an order: a transaction, catalog's word, and a transaction.

Catalog's transaction is the commit point of the stock; see the house's "one command that matters".
"""

import time
from collections.abc import Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from uuid import UUID

from common.batching import Batcher, On
from common.db import Database
from common.idempotency import Answer, Key
from common.logs import get_logger
from common.problems import Unavailable
from orders import queries
from orders.catalog import Catalog
from orders.commands.begin import Begun, Wish, answer_likewise, begin_orders, take_over_lapsed
from orders.commands.settle import Settlement
from orders.config import Config
from orders.endings import Endings, Held
from orders.errors import BeingPlaced, ReservationImpossible
from orders.measures import SETTLED
from orders.models import Attempt

log = get_logger(__name__)

MOST_SWEPT = 100
MOST_HOLDERS = 20
"""After so many holders a pending order is given up: one on which catalog chokes every time must
not stay for ever."""

PAUSES = (0.02, 0.04, 0.08, 0.16, 0.3, 0.5, 0.9, 1.0)
"""Seconds between the looks of a click that waits for another one: three in all."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What a request for an order gets; *is_replay* when an earlier request got the same."""

    answer: Answer
    is_replay: bool


@dataclass
class _Placing:
    """A wish on its way.

    Attributes:
        context: Of the request that wants it.
        attempt: What it has begun.
    """

    wish: Wish
    context: Context = field(default_factory=copy_context)
    attempt: Attempt | None = None


class Checkout:
    """Places orders, and settles those that somebody left behind.

    Each of the two steps, to begin and to end, is done for all orders together that have come to
    it; whoever begins goes on to the end with all who begin at the same time.
    """

    def __init__(
        self, database: Database, catalog: Catalog, *, hold_seconds: float, currency: str
    ) -> None:
        self._database = database
        self._hold_seconds = hold_seconds
        self._currency = currency
        self._endings = Endings(database, catalog, currency=currency)
        self._beginnings = Batcher[_Placing, Answer | Settlement | None](
            "orders_begin", self._begin_all, then=self._endings.step
        )

    @classmethod
    def connect(cls, config: Config, database: Database, catalog: Catalog) -> "Checkout":
        seconds, currency = config.pending_seconds, config.currency
        return cls(database, catalog, hold_seconds=seconds, currency=currency)

    def place(
        self,
        key: Key,
        *,
        fingerprint: bytes,
        lines: Mapping[int, int] | None,
        expected_total: int | None,
    ) -> Placement:
        """Place the order that *key* stands for, once; None for lines orders the cart.

        Raises:
            BeingPlaced, IdempotencyKeyReused, EmptyOrder: See ``begin_orders``.
            Unavailable: Catalog gave no answer. Nothing is promised, and the key is free again; or
                the database is gone, and a retry after a while finds out what became of it.
        """
        wish = Wish(key=key, fingerprint=fingerprint, lines=lines, expected_total=expected_total)
        placing = _Placing(wish)
        try:
            came = self._beginnings.submit(placing)
            if isinstance(came, Answer):
                return Placement(answer=came, is_replay=True)
            assert placing.attempt is not None
            return self._placement(placing.attempt, came)
        except Unavailable as error:
            if placing.attempt is None:
                raise
            return self._abandon(placing.attempt, error)

    def place_cart(self, key: Key, *, fingerprint: bytes) -> Placement:
        """Place an order of the cart; a click beside another one gets that one's order.

        Raises:
            BeingPlaced: It is still being placed after three seconds.
            IdempotencyKeyReused, EmptyOrder, Unavailable: See ``place``.
        """
        try:
            return self.place(key, fingerprint=fingerprint, lines=None, expected_total=None)
        except BeingPlaced as other:
            placement = self._wait_for(other)
            self._database.run(
                answer_likewise,
                key=key,
                fingerprint=fingerprint,
                order_id=other.order_id,
                answer=placement.answer,
            )
            return placement

    def sweep(self) -> int:
        """Settle pending orders that nobody holds any more; returns how many.

        The same command goes to catalog again, and its stored answer decides. While catalog is away
        they wait: it may hold their stock.
        """
        settled = 0
        # One at a time, so that none of them waits for its turn while its hold runs out.
        while settled < MOST_SWEPT and (attempt := self._next_lapsed()) is not None:
            if not self._sweep_one(attempt):
                break
            settled += 1
        return settled

    def _next_lapsed(self) -> Attempt | None:
        return self._database.run(take_over_lapsed, hold_seconds=self._hold_seconds)

    def _sweep_one(self, attempt: Attempt) -> bool:
        try:
            self._placement(attempt, self._endings.end(attempt))
        except BeingPlaced:
            return True
        except Unavailable as error:
            is_hopeless = isinstance(error, ReservationImpossible)
            if not is_hopeless and attempt.fence < MOST_HOLDERS:
                log.warning("order_waits", order_id=str(attempt.order_id), holder=attempt.fence)
                return False
            self._endings.abandon(attempt)
        return True

    def _begin_all(self, placings: Sequence[_Placing]) -> Sequence[Answer | Exception | On[Held]]:
        begun = self._database.run(
            begin_orders,
            [placing.wish for placing in placings],
            currency=self._currency,
            hold_seconds=self._hold_seconds,
        )
        return [_went(placing, came) for placing, came in zip(placings, begun, strict=True)]

    def _placement(self, attempt: Attempt, end: Settlement | None) -> Placement:
        """What a request gets whose attempt ended so."""
        if end is None:
            return self._became(attempt.order_id)
        assert end.answer is not None
        _tell(end)
        return Placement(answer=end.answer, is_replay=False)

    def _abandon(self, attempt: Attempt, error: Unavailable) -> Placement:
        # Also where the database broke while we confirmed, and nobody knows whether that was
        # committed: if it was, there is nothing pending to abandon, and the answer is there.
        if self._endings.abandon(attempt):
            SETTLED.labels("abandoned").inc()
            log.warning("order_abandoned", order_id=str(attempt.order_id))
            raise error
        return self._became(attempt.order_id)

    def _wait_for(self, other: BeingPlaced) -> Placement:
        for pause in PAUSES:
            # No connection is held meanwhile.
            time.sleep(pause)
            try:
                return self._became(other.order_id)
            except BeingPlaced:
                continue
        raise other

    def _became(self, order_id: UUID) -> Placement:
        """What somebody else made of an order."""
        known = self._database.read(queries.answer_for, order_id)
        if known is None:
            raise Unavailable
        if known.answer is None:
            raise BeingPlaced(order_id)
        return Placement(answer=known.answer, is_replay=True)


def _went(placing: _Placing, came: Begun) -> Answer | Exception | On[Held]:
    if not isinstance(came, Attempt):
        return came
    placing.attempt = came
    return On(Held(came, placing.context))


def _tell(end: Settlement) -> None:
    """Say in the log and in the measures what became of an order."""
    order_id = str(end.attempt.order_id)
    if end.order is None:
        SETTLED.labels("rejected").inc()
        log.info("order_refused", order_id=order_id, reason=end.reason)
    else:
        SETTLED.labels("confirmed").inc()
        log.info("order_confirmed", order_id=order_id, lines=len(end.order.items))
