# SPDX-License-Identifier: Apache-2.0
"""The audit: what must always be true of a service's data, and who breaks it."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from common.db import Database

MOST_NAMED = 100
"""So many violations of one check are named; whoever has more has one problem, not a list."""
STATEMENT_SECONDS = 30.0
"""A rule reads whole tables: it may take longer than a customer would wait."""

Invariant = Callable[[Session], Iterable["Violation"]]


class Violation(BaseModel):
    """One thing that breaks a rule.

    Attributes:
        subject: What breaks it, for example ``product/7``.
        detail: How, with the numbers.
    """

    model_config = ConfigDict(frozen=True)

    subject: str
    detail: str


class Check(BaseModel):
    """One rule, with what breaks it; none means that it holds."""

    model_config = ConfigDict(frozen=True)

    name: str
    violations: list[Violation]


def examine(database: Database, invariants: Mapping[str, Invariant]) -> list[Check]:
    """Ask each rule of a service in turn."""
    patient = database.apart(read_timeout=STATEMENT_SECONDS)
    try:
        # Each is one statement, so that no change under way can look like a fault.
        return [
            Check(name=name, violations=patient.read(_first, invariant))
            for name, invariant in invariants.items()
        ]
    finally:
        patient.dispose()


def broken(rows: Iterable[Any], say: Callable[[Any], tuple[str, str]]) -> Iterable[Violation]:
    """A violation for each row; *say* gives its subject and detail."""
    for row in rows:
        subject, detail = say(row)
        yield Violation(subject=subject, detail=detail)


def _first(session: Session, invariant: Invariant) -> list[Violation]:
    return list(islice(invariant(session), MOST_NAMED))
