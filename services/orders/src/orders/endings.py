# SPDX-License-Identifier: Apache-2.0
"""What becomes of attempts: all that wait are asked about in one call, and settled together.

Catalog's transaction is the commit point of the stock; see the house's "one command that matters".
"""

from collections.abc import Sequence
from contextvars import Context, copy_context
from typing import NamedTuple

from common import batching
from common.batching import Batcher, outcomes_of
from common.clock import utcnow
from common.context import current_trace
from common.db import Database
from common.problems import Problem
from orders import answers
from orders.catalog import Catalog, Reservation, Wanted
from orders.commands.settle import Settlement, abandoned, confirmed, refused, settle_orders
from orders.errors import Refused
from orders.models import Attempt, Standing, StandingItem


class Held(NamedTuple):
    """An attempt on its way to its end, and the context of the request that makes it."""

    attempt: Attempt
    context: Context


class Endings:
    """Ends attempts, many at a time.

    To ask and to settle is one step: who waited for the answer would wait again to store it.

    Attributes:
        step: Asks and settles. None comes of an attempt that had lost its order.
    """

    def __init__(self, database: Database, catalog: Catalog, *, currency: str) -> None:
        self._database = database
        self._catalog = catalog
        self._currency = currency
        self.step = Batcher[Held, Settlement | None](
            "orders_end", self._end_all, seconds=2 * batching.SECONDS
        )
        self._abandonments = Batcher[Settlement, bool]("orders_abandon", self._settle_all)

    def end(self, attempt: Attempt) -> Settlement | None:
        """Ask catalog, and settle what it says; None where the attempt had lost its order.

        Raises:
            Unavailable: Catalog said nothing, or nobody knows what became of the order.
        """
        return self.step.submit(Held(attempt, copy_context()))

    def abandon(self, attempt: Attempt) -> bool:
        """Give an order up of which catalog said nothing; False where it has ended already.

        Raises:
            Unavailable: Nobody knows what became of the order.
        """
        return self._abandonments.submit(abandoned(attempt))

    def _end_all(self, held: Sequence[Held]) -> Sequence[Settlement | Exception | None]:
        """What became of each: None where its holder came too late."""
        words = outcomes_of(self._reserve_all, held)
        decided = [
            (one, word)
            for one, word in zip(held, words, strict=True)
            if isinstance(word, Reservation | Refused)
        ]
        ends = iter(outcomes_of(self._settle_decided, decided))
        return [next(ends) if isinstance(w, Reservation | Refused) else w for w in words]

    def _reserve_all(self, held: Sequence[Held]) -> Sequence[Reservation | Problem]:
        wanted = [one.context.run(_wanted, one.attempt) for one in held]
        return self._catalog.reserve_all(wanted, currency=self._currency)

    def _settle_decided(
        self, decided: Sequence[tuple[Held, Reservation | Refused]]
    ) -> Sequence[Settlement | None]:
        # Each in its own request's name: an event tells who asked.
        ends = [held.context.run(_settlement, held.attempt, word) for held, word in decided]
        done = self._settle_all(ends)
        return [end if is_done else None for end, is_done in zip(ends, done, strict=True)]

    def _settle_all(self, settlements: Sequence[Settlement]) -> Sequence[bool]:
        return self._database.run(settle_orders, settlements)


def _wanted(attempt: Attempt) -> Wanted:
    return Wanted(
        order_id=attempt.order_id,
        lines=attempt.lines,
        expected_total=attempt.expected_total,
        trace=current_trace(),
    )


def _settlement(attempt: Attempt, word: Reservation | Refused) -> Settlement:
    """How an attempt ends by catalog's word."""
    if isinstance(word, Refused):
        return refused(attempt, reason=word.code, answer=answers.of_refusal(word))
    order = _standing(attempt, word)
    return confirmed(attempt, order, answers.of_order(order))


def _standing(attempt: Attempt, reservation: Reservation) -> Standing:
    customer_id = attempt.key.owner_id
    return Standing(
        id=attempt.order_id,
        customer_id=customer_id,
        wanted=attempt.lines,
        total_minor=reservation.total,
        currency=reservation.currency,
        placed_at=utcnow(),
        items=[
            StandingItem(
                order_id=attempt.order_id,
                product_id=line.product_id,
                customer_id=customer_id,
                sku=line.sku,
                name=line.name,
                quantity=line.quantity,
                unit_price_minor=line.unit_price,
            )
            for line in reservation.items
        ],
    )
