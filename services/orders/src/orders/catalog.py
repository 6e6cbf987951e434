# SPDX-License-Identifier: Apache-2.0
"""What orders asks of catalog. Nothing else here knows catalog's paths and words."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any
from urllib.parse import quote
from uuid import UUID

from common.context import Trace
from common.http import Client
from common.logs import get_logger
from common.problems import Problem, Unavailable
from common.tokens import ServiceTokens
from orders.config import Config
from orders.errors import REFUSALS, ProductNotFound, ReservationImpossible
from orders.said import Said, read

log = get_logger(__name__)

REF = re.compile(r"[A-Za-z0-9._~-]{1,64}")
MOST_REFS = 200
MOST_ID = 2**63 - 1
TRIAL_SECONDS = 0.25
UNREADABLE = {400, 422}
"""What catalog says to a command that it can't read."""


class Product(Said):
    """A product as it is now; *price* in minor units."""

    ref: str
    product_id: int
    sku: str | None
    name: str
    price: int
    currency: str
    available: int
    deleted: bool = False


class _Products(Said):
    items: list[Product]


class ReservedLine(Said):
    """One line as of the reservation; *unit_price* in minor units."""

    product_id: int
    sku: str | None
    name: str
    quantity: int
    unit_price: int


class Reservation(Said):
    """What catalog holds for an order: every line, one per product, ascending."""

    order_id: UUID
    items: list[ReservedLine]
    total: int
    currency: str


class _Answer(Said):
    """What catalog says about one of several orders."""

    status: int
    body: dict[str, Any]


class _Answers(Said):
    answers: list[Any]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What an order wants held, and who asks for it. Lines are units by product id."""

    order_id: UUID
    lines: dict[int, int]
    expected_total: int | None
    trace: Trace

    def words(self, currency: str) -> dict[str, object]:
        return {
            "order_id": str(self.order_id),
            "items": [
                {"product_id": product_id, "quantity": quantity}
                for product_id, quantity in sorted(self.lines.items())
            ],
            "expected_total": self.expected_total,
            "currency": currency,
            "correlation_id": self.trace.correlation_id,
            "actor": self.trace.actor,
        }


class Misunderstood(Exception):
    """Catalog can't read the command; of several orders, nobody knows whose fault it is."""


def product_id_in(ref: str) -> int | None:
    """The id in a ref of digits; a ref of anything else is catalog's to understand.

    Raises:
        ProductNotFound: A number that no product can have.
    """
    if not (ref.isascii() and ref.isdigit()):
        return None
    if len(ref) > len(str(MOST_ID)) or not 0 < int(ref) <= MOST_ID:
        raise ProductNotFound(items=[{"product": ref[:64]}])
    return int(ref)


class Catalog:
    """The catalog service, behind its internal interface."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @classmethod
    def connect(cls, config: Config) -> "Catalog":
        tokens = ServiceTokens(config.service_token_key.get_secret_value(), "orders")
        # One call carries the orders of all who wait, and others wait behind it: where it fails,
        # they are told at once, and after a moment one call finds out.
        client = Client(
            config.catalog_url,
            tokens,
            read_seconds=config.catalog_seconds,
            failures=1,
            rest=TRIAL_SECONDS,
        )
        return cls(client)

    def reserve_all(
        self, wanted: Sequence[Wanted], *, currency: str
    ) -> list[Reservation | Problem]:
        """Have every line held for an order, or none of them. Asking again gets the same answer.

        Returns:
            What came of each order. ``InsufficientStock``, ``PriceChanged``, ``ProductNotFound``,
            ``OrderTooLarge``: refused; nothing is held. ``ReservationImpossible``: nothing will
            ever be held under this id. ``Unavailable``: nobody knows whether it is held.

        Raises:
            Misunderstood: Catalog wants none of the several orders; one alone may fare better.
            Unavailable: Nobody knows about any of them.
        """
        command = {"reservations": [one.words(currency) for one in wanted]}
        answer = self._client.put("/internal/reservations", command)
        if answer.status in UNREADABLE:
            if len(wanted) > 1:
                raise Misunderstood
            log.error("reservation_impossible", order_id=str(wanted[0].order_id))
            raise ReservationImpossible
        if answer.status != 200:  # noqa: PLR2004 - HTTP's yes
            # Also where catalog is of a release that does not know this call.
            log.error("reservations_refused", status=answer.status)
            raise Unavailable
        answers = read(_Answers, answer).answers[: len(wanted)]
        return [_outcome(one, said) for one, said in zip_longest(wanted, answers)]

    def products(self, refs: Iterable[str]) -> dict[str, Product]:
        """What clients' names for products mean now; unknown names are left out.

        Raises:
            Unavailable: Nobody knows.
        """
        # A ref that no product can have is not sent: a comma in it would be two refs.
        wanted = sorted({ref for ref in refs if REF.fullmatch(ref)})
        found: dict[str, Product] = {}
        for start in range(0, len(wanted), MOST_REFS):
            asked = quote(",".join(wanted[start : start + MOST_REFS]), safe=",")
            answer = self._client.get(f"/internal/products/resolve?refs={asked}")
            found |= {product.ref: product for product in read(_Products, answer).items}
        return found

    def product(self, ref: str) -> Product:
        """The product that *ref* names.

        Raises:
            ProductNotFound: None, or one that is no longer for sale.
            Unavailable: Nobody knows.
        """
        return self.for_sale([ref])[ref]

    def for_sale(self, refs: Iterable[str]) -> dict[str, Product]:
        """The product that each ref names.

        Raises:
            ProductNotFound: Some name none, or one that is no longer for sale.
            Unavailable: Nobody knows.
        """
        wanted = [*dict.fromkeys(refs)]
        for ref in wanted:
            product_id_in(ref)
        found = self.products(wanted)
        sold = {ref: product for ref, product in found.items() if not product.deleted}
        missing = [{"product": ref} for ref in wanted if ref not in sold]
        if missing:
            raise ProductNotFound(items=missing)
        return sold

    def product_ids(self, refs: Collection[str]) -> dict[str, int]:
        """The id behind each ref. Refs of digits are ids already and cost no call.

        Raises:
            ProductNotFound: Some are unknown.
            Unavailable: Nobody knows.
        """
        ids = {ref: number for ref in refs if (number := product_id_in(ref)) is not None}
        names = [ref for ref in refs if ref not in ids]
        if names:
            ids |= {ref: product.product_id for ref, product in self.products(names).items()}
        missing = [{"product": ref} for ref in refs if ref not in ids]
        if missing:
            raise ProductNotFound(items=missing)
        return ids


def _outcome(wanted: Wanted, said: Any) -> Reservation | Problem:
    """What catalog says about one order. What is wrong with it is no other order's trouble."""
    try:
        answer = _Answer.model_validate(said)
        if answer.status != 200:  # noqa: PLR2004 - HTTP's yes
            return _refusal(wanted.order_id, answer)
        reservation = Reservation.model_validate(answer.body)
    except ValueError:
        log.error("answer_not_understood", order_id=str(wanted.order_id))
        return Unavailable()
    if reservation.order_id != wanted.order_id:
        log.error("answer_is_anothers", order_id=str(wanted.order_id))
        return Unavailable()
    return reservation


def _refusal(order_id: UUID, answer: _Answer) -> Problem:
    if answer.status >= 500:  # noqa: PLR2004 - HTTP's own troubles
        return Unavailable()
    problem = answer.body
    refusal = REFUSALS.get(str(problem.get("code")))
    if refusal is None:
        log.error("reservation_impossible", order_id=str(order_id), status=answer.status)
        return ReservationImpossible()
    known = {name: problem[name] for name in ("items", "total") if name in problem}
    return refusal(**known)
