# SPDX-License-Identifier: Apache-2.0
"""The audit of the whole shop: each service's own rules, and what they must agree on.

Orders, stock and the event log live in three schemas. News between them takes a moment, so what
disagrees is looked at again: only what still disagrees after some seconds is a violation.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from analytics import chain
from analytics.commands import minute_of
from analytics.config import Config
from analytics.models import CANCELLED, LoggedEvent, ProductMinute, Sale, View
from common.audit import MOST_NAMED, Check, Invariant, Violation, broken, examine
from common.contracts import OrderCancelled, OrderPlaced
from common.db import Database
from common.http import Client
from common.logs import get_logger
from common.problems import Unavailable
from common.tokens import ServiceTokens

log = get_logger(__name__)

LOOKS = 4
PAUSE_SECONDS = 1.0
READ_SECONDS = 30.0
PAGE = 1000
END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)
FITTING: dict[str | None, set[str | None]] = {
    "pending": {None, "reserved", "refused", "released"},
    "confirmed": {"reserved", "sold"},
    "cancelled": {"cancelled"},
    "rejected": {None, "refused", "released"},
    None: {"refused", "released", "cancelled"},
}
"""Which states a reservation may have for each state of its order; None is one that is unknown."""

Item = dict[str, Any]


def events_are_told_once(session: Session) -> Iterable[Violation]:
    """No version of anything was told twice by the same kind of event.

    Save for answers: what became of an order is told again to who asks for it.
    """
    is_answer = LoggedEvent.subject.startswith("order/") & LoggedEvent.causation_id.is_not(None)
    times = func.count()
    query = (
        select(
            LoggedEvent.subject, LoggedEvent.type, LoggedEvent.aggregate_version, times.label("n")
        )
        .where(~is_answer)
        .group_by(LoggedEvent.subject, LoggedEvent.type, LoggedEvent.aggregate_version)
        .having(times > 1)
    )
    return broken(
        session.execute(query),
        lambda row: (row.subject, f"{row.type} of version {row.aggregate_version}: {row.n} times"),
    )


def minutes_match_sales(session: Session) -> Iterable[Violation]:
    """The counters of sold units equal a recount of the sales."""
    counted = (
        select(ProductMinute.product_id, func.sum(ProductMinute.units).label("units"))
        .group_by(ProductMinute.product_id)
        .subquery()
    )
    recount = (
        select(Sale.product_id, func.sum(Sale.quantity).label("units"))
        .where(Sale.status != CANCELLED)
        .group_by(Sale.product_id)
        .subquery()
    )
    units = func.coalesce(recount.c.units, 0)
    query = (
        select(counted.c.product_id, counted.c.units, units.label("sold"))
        .outerjoin(recount, recount.c.product_id == counted.c.product_id)
        .where(counted.c.units != units)
    )
    return broken(
        session.execute(query),
        lambda row: (f"product/{row.product_id}", f"counted {row.units} units, sold {row.sold}"),
    )


def minutes_match_views(session: Session, *, until: datetime = END_OF_TIME) -> Iterable[Violation]:
    """The counters of views equal a recount, from the oldest view that is still kept."""
    oldest = session.scalar(select(func.min(View.at)))
    if oldest is None:
        return ()
    # The oldest minute may have lost a part of its views with a dropped day.
    start = minute_of(oldest) + timedelta(minutes=1)
    counted = (
        select(ProductMinute.product_id, func.sum(ProductMinute.views).label("views"))
        .where(ProductMinute.minute >= start, ProductMinute.minute < until)
        .group_by(ProductMinute.product_id)
        .subquery()
    )
    recount = (
        select(View.product_id, func.count().label("views"))
        .where(View.at >= start, View.at < until)
        .group_by(View.product_id)
        .subquery()
    )
    views = func.coalesce(recount.c.views, 0)
    query = (
        select(counted.c.product_id, counted.c.views, views.label("seen"))
        .outerjoin(recount, recount.c.product_id == counted.c.product_id)
        .where(counted.c.views != views)
    )
    return broken(
        session.execute(query),
        lambda row: (f"product/{row.product_id}", f"counted {row.views} views, kept {row.seen}"),
    )


def log_is_unbroken(session: Session) -> Iterable[Violation]:
    """Nobody changed, took out or put in an event since it was sealed."""
    return chain.breaks(session)


INVARIANTS: dict[str, Invariant] = {
    "analytics.events_are_told_once": events_are_told_once,
    "analytics.log_is_unbroken": log_is_unbroken,
    "analytics.minutes_match_sales": minutes_match_sales,
    "analytics.minutes_match_views": minutes_match_views,
}


class Told(NamedTuple):
    """How often something was told, and how often of those nobody had asked."""

    times: int
    unasked: int


class Auditor:
    """Asks everybody, and compares.

    Args:
        pause: Called between two looks at what disagrees.
    """

    def __init__(
        self,
        database: Database,
        catalog: Client,
        orders: Client,
        *,
        pause: Callable[[], None] = lambda: time.sleep(PAUSE_SECONDS),
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._orders = orders
        self._pause = pause

    @classmethod
    def connect(cls, config: Config, database: Database) -> "Auditor":
        tokens = ServiceTokens(config.service_token_key.get_secret_value(), "analytics")
        catalog, orders = (
            Client(url, tokens, read_seconds=READ_SECONDS)
            for url in (config.catalog_url, config.orders_url)
        )
        return cls(database, catalog, orders)

    def audit(self) -> list[Check]:
        """Every rule of the shop, with what has broken it for some seconds now.

        Raises:
            Unavailable: A service whose word is needed gives none.
        """
        checks = self._look()
        for _ in range(LOOKS - 1):
            if not any(check.violations for check in checks):
                break
            self._pause()
            checks = [_both(*pair) for pair in zip(checks, self._look(), strict=True)]
        for check in checks:
            for violation in check.violations:
                log.error("invariant_broken", check=check.name, subject=violation.subject)
        return checks

    def _look(self) -> list[Check]:
        return [
            *self._asked(self._catalog),
            *self._asked(self._orders),
            *examine(self._database, INVARIANTS),
            _check("shop.orders_hold_their_units", self._units_of_orders()),
            _check("shop.orders_are_told", self._untold_orders()),
            _check("shop.sales_match_orders", self._sales_of_orders()),
            _check("shop.stock_changes_are_told", self._untold_stock_changes()),
        ]

    def _asked(self, service: Client) -> list[Check]:
        answer = service.get("/internal/audit")
        return [Check.model_validate(one) for one in _said(answer.status, answer.json())["checks"]]

    def _units_of_orders(self) -> Iterator[Violation]:
        for number, order, reservation in self.side_by_side():
            fault = _misfit(order, reservation)
            if fault:
                yield Violation(subject=f"order/{number}", detail=fault)

    def side_by_side(self) -> Iterator[tuple[str, Item | None, Item | None]]:
        """Orders beside their reservations. Both come in the order of their ids."""
        orders = _pages(self._orders, "orders", "order_id")
        reservations = _pages(self._catalog, "reservations", "order_id")
        order, reservation = next(orders, None), next(reservations, None)
        while order is not None or reservation is not None:
            number = min(one["order_id"] for one in (order, reservation) if one is not None)
            ours = order if order is not None and order["order_id"] == number else None
            theirs = (
                reservation
                if reservation is not None and reservation["order_id"] == number
                else None
            )
            yield number, ours, theirs
            order = next(orders, None) if ours is not None else order
            reservation = next(reservations, None) if theirs is not None else reservation

    def unheard(self, subject: str) -> list[str]:
        """What may be told of an order that stands or stood, and is not in the log."""
        told = self._database.read(_told_of, subjects=[subject]).get(subject, {})
        return [kind.type() for kind in (OrderPlaced, OrderCancelled) if kind.type() not in told]

    def _untold_orders(self) -> Iterator[Violation]:
        for orders in _batches(_pages(self._orders, "orders", "order_id")):
            subjects = [f"order/{one['order_id']}" for one in orders]
            told = self._database.read(_told_of, subjects=subjects)
            for one, subject in zip(orders, subjects, strict=True):
                yield from _untold(one["status"], subject, told.get(subject, {}))

    def _sales_of_orders(self) -> Iterator[Violation]:
        for orders in _batches(_pages(self._orders, "orders", "order_id")):
            ids = [one["order_id"] for one in orders]
            sales = self._database.read(_sales_of, order_ids=ids)
            for one in orders:
                wanted = _as_sales(one)
                if sales.get(one["order_id"], []) != wanted:
                    yield Violation(
                        subject=f"order/{one['order_id']}",
                        detail=f"has {wanted}, and the numbers {sales.get(one['order_id'], [])}",
                    )

    def _untold_stock_changes(self) -> Iterator[Violation]:
        for entries in _batches(_pages(self._catalog, "ledger", "id")):
            ids = [UUID(one["event_id"]) for one in entries]
            told = self._database.read(_logged, event_ids=ids)
            for one, event_id in zip(entries, ids, strict=True):
                if event_id not in told:
                    yield Violation(
                        subject=f"product/{one['product_id']}",
                        detail=f"nobody was told of ledger entry {one['id']} (event {event_id})",
                    )


def _check(name: str, violations: Iterable[Violation]) -> Check:
    return Check(name=name, violations=list(islice(violations, MOST_NAMED)))


def _both(earlier: Check, later: Check) -> Check:
    """What broke the rule at both looks; of a fault that changes, the later words."""
    before = {violation.subject for violation in earlier.violations}
    return Check(
        name=later.name, violations=[one for one in later.violations if one.subject in before]
    )


def _misfit(order: Item | None, reservation: Item | None) -> str | None:
    """What is wrong between an order and its reservation, if anything."""
    status = order["status"] if order else None
    held = reservation["status"] if reservation else None
    if held not in FITTING[status]:
        return f"is {status or 'unknown to orders'}, but its reservation is {held or 'not there'}"
    if order and reservation and status == "confirmed":
        ours = [line[:2] for line in order["items"]]
        if ours != reservation["lines"]:
            return f"has the units {ours}, but {reservation['lines']} were reserved for it"
    return None


def _untold(status: str, subject: str, told: dict[str, Told]) -> Iterator[Violation]:
    placed, cancelled = OrderPlaced.__name__, OrderCancelled.__name__
    wanted = {placed: status in {"confirmed", "cancelled"}, cancelled: status == "cancelled"}
    for kind, is_due in wanted.items():
        times = told.get(kind, Told(times=0, unasked=0))
        if bool(times.times) != is_due or times.unasked > 1:
            detail = f"is {status}, and {kind} was told {times.times} times"
            yield Violation(subject=subject, detail=detail)


def _as_sales(order: Item) -> list[tuple[int, int, int, str]]:
    status = {"confirmed": "placed", "cancelled": "cancelled"}.get(order["status"])
    return sorted((*line, status) for line in order["items"]) if status else []


def _told_of(session: Session, *, subjects: list[str]) -> dict[str, dict[str, Told]]:
    unasked = func.sum(case((LoggedEvent.causation_id.is_(None), 1), else_=0))
    query = (
        select(
            LoggedEvent.subject,
            LoggedEvent.type,
            func.count().label("times"),
            unasked.label("unasked"),
        )
        .where(LoggedEvent.subject.in_(subjects))
        .group_by(LoggedEvent.subject, LoggedEvent.type)
    )
    told: dict[str, dict[str, Told]] = {}
    for row in session.execute(query):
        times = Told(times=row.times, unasked=int(row.unasked))
        told.setdefault(row.subject, {})[row.type] = times
    return told


def _sales_of(
    session: Session, *, order_ids: list[str]
) -> dict[str, list[tuple[int, int, int, str]]]:
    found: dict[str, list[tuple[int, int, int, str]]] = {}
    for sale in session.scalars(select(Sale).where(Sale.order_id.in_(order_ids))):
        line = (sale.product_id, sale.quantity, sale.unit_price, sale.status)
        found.setdefault(sale.order_id, []).append(line)
    return {order_id: sorted(lines) for order_id, lines in found.items()}


def _logged(session: Session, *, event_ids: list[UUID]) -> set[UUID]:
    query = select(LoggedEvent.event_id).where(LoggedEvent.event_id.in_(event_ids))
    return set(session.scalars(query))


def _pages(service: Client, listing: str, key: str) -> Iterator[Item]:
    """Every item of a service's list, page after page."""
    after = ""
    while True:
        answer = service.get(f"/internal/audit/{listing}?limit={PAGE}{after}")
        items = _said(answer.status, answer.json())["items"]
        yield from items
        if len(items) < PAGE:
            return
        after = f"&after={items[-1][key]}"


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    while batch := list(islice(items, PAGE)):
        yield batch


def _said(status: int, document: Any) -> Any:
    if status != 200:  # noqa: PLR2004 - HTTP's yes
        log.error("audit_refused", status=status)
        raise Unavailable
    return document
