# SPDX-License-Identifier: Apache-2.0
"""Money is an integer of minor units inside; only here it turns into text and back."""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

MOST = 10**12
"""Ten billion of the main unit; a total of many such lines still fits a BIGINT."""

CENTS = tuple(f".{cents:02}" for cents in range(100))
"""Looked up in a third of the time that it takes to write them, and lists are full of them."""

WRITTEN = re.compile(r"[0-9]{1,11}(\.[0-9]{1,2})?")


def to_minor(value: Any) -> int:
    """Read a JSON number or a decimal string with at most two decimals as minor units.

    Raises:
        ValueError: Anything else, and amounts beyond ``MOST``.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError('must be a number or a decimal string such as "12.50"')  # noqa: TRY004 - pydantic's protocol
    # Decimal itself reads far more than money: 1_000, 1e9999999, digits of every script, and it
    # rounds away what stands behind its 28th digit.
    if isinstance(value, str) and not WRITTEN.fullmatch(value):
        raise ValueError('must be a decimal amount such as "12.50", with at most two decimals')
    if not isinstance(value, str) and not 0 <= value <= MOST // 100:
        raise ValueError(f"must be between 0 and {to_text(MOST)}")
    # A float goes through its shortest text: 0.1 is ten cents, whatever its binary tail.
    minor = Decimal(str(value)) * 100
    if minor != minor.to_integral_value():
        raise ValueError("must have at most two decimals")
    if minor > MOST:
        raise ValueError(f"must be between 0 and {to_text(MOST)}")
    return int(minor)


def to_text(minor: int) -> str:
    """Write minor units as ``/v1`` shows money: ``1250`` is ``"12.50"``."""
    if minor < 0:
        return f"-{to_text(-minor)}"
    return f"{minor // 100}{CENTS[minor % 100]}"


def to_number(minor: int) -> int | float:
    """Write minor units as the seed surfaces show money: a JSON number."""
    return minor // 100 if minor % 100 == 0 else float(Decimal(minor) / 100)


Amount = Annotated[
    int,
    BeforeValidator(to_minor),
    Field(description="An amount of money: a decimal string or a number, at most two decimals."),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\d{1,11}(\.\d{1,2})?$"},
                {"type": "number", "minimum": 0},
            ],
            "examples": ["12.50"],
        }
    ),
]
"""A field that takes money as clients write it and holds minor units."""
