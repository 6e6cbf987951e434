# SPDX-License-Identifier: Apache-2.0
"""Repairs: what the audit finds is put right where other records prove what is right.

Each is one transaction under the locks of the commands, with its line in ``repairs``. A dry run is
the same transaction, taken back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, insert
from sqlalchemy.orm import Session

from common.audit import Invariant, Violation, examine
from common.clock import utcnow
from common.context import current_trace
from common.db import Database, Moment, exact, folded, new_metadata
from common.logs import get_logger

log = get_logger(__name__)

repairs = Table(
    "repairs",
    new_metadata(),
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("actor", folded(64), nullable=False),
    Column("rule", exact(64), nullable=False),
    Column("subject", exact(64), nullable=False),
    Column("was", Text, nullable=False),
    Column("became", Text, nullable=False),
)


class Unprovable(Exception):
    """No record proves what is right; the message says what a person should look at."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What was wrong, and what it is now, in words for people."""

    was: str
    became: str


Repair = Callable[[Session, str], Change | None]
"""Locks what a violation's subject names, looks again, and puts it right; None if nothing is wrong.

Raises ``Unprovable``.
"""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How what breaks one rule is put right.

    Attributes:
        advice: What a person should look at, where *repair* is None.
    """

    invariant: Invariant
    repair: Repair | None = None
    advice: str = "it is still broken after its repair"


class Outcome(BaseModel):
    """What became of one violation.

    Attributes:
        state: ``repairable`` is what a dry run says of what it would repair.
        detail: How the rule is broken.
        advice: What a person should look at.
    """

    model_config = ConfigDict(frozen=True)

    rule: str
    subject: str
    state: Literal["repaired", "repairable", "needs a person"]
    detail: str
    was: str | None = None
    became: str | None = None
    advice: str | None = None


def declare_repairs(metadata: MetaData) -> Table:
    """Give a service's schema its memory of repairs. Rows are only ever added."""
    return repairs.to_metadata(metadata)


def repair_all(database: Database, rules: Mapping[str, Rule], *, apply: bool) -> list[Outcome]:
    """Look at each rule in turn, and put right what can be; without *apply* only say what.

    Again it repairs nothing more: it begins with a new look.
    """
    found = [_repair_rule(database, name, rule, apply=apply) for name, rule in rules.items()]
    return [outcome for outcomes in found for outcome in outcomes]


def repair_one(
    database: Database, rule: str, violation: Violation, repair: Repair, *, apply: bool
) -> Outcome | None:
    """Put one violation right; None when nothing is wrong with it any more."""
    seen = {"rule": rule, "subject": violation.subject, "detail": violation.detail}
    try:
        change = database.run(
            _write_down, repair=repair, rule=rule, subject=violation.subject, apply=apply
        )
    except _OnlyLookedError as looked:
        return Outcome(**seen, state="repairable", **vars(looked.change))
    except Unprovable as why:
        return Outcome(**seen, state="needs a person", advice=str(why))
    if change is None:
        return None
    actor = current_trace().actor
    log.warning("repaired", rule=rule, subject=violation.subject, actor=actor, **vars(change))
    return Outcome(**seen, state="repaired", **vars(change))


class _OnlyLookedError(Exception):
    """Takes a dry run's transaction back."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self.change = change


def _write_down(
    session: Session, *, repair: Repair, rule: str, subject: str, apply: bool
) -> Change | None:
    change = repair(session, subject)
    if change is None:
        return None
    # What the database would refuse, it refuses in a dry run, too.
    session.flush()
    line = {"at": utcnow(), "actor": current_trace().actor, "rule": rule, "subject": subject}
    session.execute(insert(repairs), [line | vars(change)])
    if not apply:
        raise _OnlyLookedError(change)
    return change


def _repair_rule(database: Database, name: str, rule: Rule, *, apply: bool) -> list[Outcome]:
    outcomes: dict[str, Outcome | None] = {}
    while unsettled := _unsettled(database, name, rule, outcomes):
        for violation in unsettled:
            # What is still broken though nothing seemed wrong, or was put right, beats us.
            can_try = rule.repair is not None and violation.subject not in outcomes
            outcomes[violation.subject] = (
                repair_one(database, name, violation, rule.repair, apply=apply)
                if can_try and rule.repair
                else needs_person(name, violation, rule.advice)
            )
    return [outcome for outcome in outcomes.values() if outcome is not None]


def needs_person(rule: str, violation: Violation, advice: str) -> Outcome:
    return Outcome(
        rule=rule,
        subject=violation.subject,
        state="needs a person",
        detail=violation.detail,
        advice=advice,
    )


def _unsettled(
    database: Database, name: str, rule: Rule, outcomes: Mapping[str, Outcome | None]
) -> list[Violation]:
    """What breaks the rule and is neither left to a person nor only looked at; one a subject."""
    [check] = examine(database, {name: rule.invariant})
    found = {violation.subject: violation for violation in check.violations}
    return [
        violation
        for subject, violation in found.items()
        if (outcome := outcomes.get(subject)) is None or outcome.state == "repaired"
    ]
