# SPDX-License-Identifier: Apache-2.0
"""What services do not agree on, and what is told again so that they do."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from analytics.audit import Auditor, Item
from analytics.config import Config
from analytics.repair import RULES, sell_as_told
from common.audit import Violation
from common.clock import utcnow
from common.db import Database
from common.http import Client
from common.logs import get_logger
from common.problems import Unavailable
from common.repairs import Outcome, needs_person, repair_all, repair_one
from common.tokens import ServiceTokens

log = get_logger(__name__)

HELD, TOLD, SALES = (
    f"shop.{name}" for name in ("orders_hold_their_units", "orders_are_told", "sales_match_orders")
)
HELPED: dict[str | None, set[str | None]] = {
    "confirmed": {"reserved"},
    "cancelled": {None, "reserved", "sold"},
    "rejected": {"reserved"},
    None: {"reserved"},
}
"""The reservations that their order's last word puts right, by what became of the order."""
OPEN_FOR = timedelta(minutes=20)
"""So long a confirmed order's units may only be held: catalog asks about them by itself before."""
ADVICE = {
    HELD: "compare the order's timeline with catalog's reservation and ledger",
    TOLD: "compare the order with its timeline",
}
LOST = (
    "requeue analytics' dead letters and see catalog's outbox; else it can't be told again: what "
    "was available then is written nowhere"
)


class ShopRepair:
    """Repairs analytics' own numbers, and has orders tell again what was not heard."""

    def __init__(
        self, database: Database, auditor: Auditor, orders: Client, *, apply: bool
    ) -> None:
        self._database = database
        self._auditor = auditor
        self._orders = orders
        self._apply = apply

    def run(self) -> list[Outcome]:
        """Analytics' own rules, then the shop's.

        Raises:
            Unavailable: A service whose word is needed gives none.
        """
        own = repair_all(self._database, RULES, apply=self._apply)
        broken = {check.name: check.violations for check in self._auditor.audit()}
        held = list(self._held(broken[HELD]))
        told = [outcome for one in broken[TOLD] for outcome in self._told(one)]
        again = {outcome.subject for outcome in told if outcome.state != "needs a person"}
        sales = [
            repair_one(self._database, SALES, one, sell_as_told, apply=self._apply)
            for one in broken[SALES]
            if one.subject not in again
        ]
        name = "shop.stock_changes_are_told"
        lost = [needs_person(name, one, LOST) for one in broken[name]]
        return [*own, *held, *told, *(one for one in sales if one), *lost]

    def _held(self, violations: list[Violation]) -> Iterator[Outcome]:
        broken = {violation.subject: violation for violation in violations}
        for number, order, reservation in self._auditor.side_by_side():
            subject = f"order/{number}"
            violation = broken.get(subject)
            if violation is None and not _is_overdue(order, reservation):
                continue
            status = order["status"] if order else None
            held = reservation["status"] if reservation else None
            seen = violation or Violation(subject=subject, detail="its units are only held")
            if held in HELPED.get(status, set()):
                outcome = self._tell(HELD, seen, None)
            else:
                outcome = needs_person(HELD, seen, ADVICE[HELD])
            if outcome:
                yield outcome

    def _told(self, violation: Violation) -> Iterator[Outcome]:
        unheard = self._auditor.unheard(violation.subject)
        # Orders knows which of them are due.
        outcomes = [self._tell(TOLD, violation, kind) for kind in unheard]
        if not any(outcomes):
            yield needs_person(TOLD, violation, ADVICE[TOLD])
        yield from filter(None, outcomes)

    def _tell(self, rule: str, violation: Violation, kind: str | None) -> Outcome | None:
        wanted = {"rule": rule, "violation": violation.model_dump(), "event": kind}
        answer = self._orders.post(
            "/internal/audit/tellings", wanted | {"dry_run": not self._apply}
        )
        if answer.status != 200:  # noqa: PLR2004 - HTTP's yes
            log.error("telling_refused", status=answer.status)
            raise Unavailable
        outcome = answer.json()["outcome"]
        return Outcome.model_validate(outcome) if outcome else None


def _is_overdue(order: Item | None, reservation: Item | None) -> bool:
    """Whether units are still held for an order that stands, longer than catalog lets that be."""
    if not order or not reservation:
        return False
    if (order["status"], reservation["status"]) != ("confirmed", "reserved"):
        return False
    return datetime.fromisoformat(reservation["reserved_at"]) < utcnow() - OPEN_FOR


def repair(config: Config, database: Database, *, apply: bool) -> list[Outcome]:
    """What ``python -m analytics repair`` does."""
    tokens = ServiceTokens(config.service_token_key.get_secret_value(), "analytics")
    orders = Client(config.orders_url, tokens, read_seconds=10.0)
    auditor = Auditor.connect(config, database)
    return ShopRepair(database, auditor, orders, apply=apply).run()
