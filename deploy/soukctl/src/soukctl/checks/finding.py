# SPDX-License-Identifier: Apache-2.0
"""What a look at one thing found."""

from dataclasses import dataclass
from typing import Literal

State = Literal["well", "wrong", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How one thing is; what is wrong comes with the way out.

    Attributes:
        state: ``unknown`` where nobody said enough to look.
    """

    subject: str
    state: State
    said: str
    fix: str = ""


def well(subject: str, said: str) -> Finding:
    return Finding(subject=subject, state="well", said=said)


def wrong(subject: str, said: str, fix: str) -> Finding:
    return Finding(subject=subject, state="wrong", said=said, fix=fix)


def unknown(subject: str, said: str) -> Finding:
    return Finding(subject=subject, state="unknown", said=said)
