# SPDX-License-Identifier: Apache-2.0
"""What may come in: strict shapes that refuse what they do not know."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u2028\u2029]")
LINE_BREAKS = re.compile(r"[\r\n\t]")
MOST_UNITS = 2**31 - 1


def _no_control_characters(text: str) -> str:
    if CONTROL.search(text):
        raise ValueError("must not contain control characters")
    return text


def _one_line(text: str) -> str:
    if LINE_BREAKS.search(text):
        raise ValueError("must be one line")
    return _no_control_characters(text)


Text = Annotated[str, AfterValidator(_no_control_characters)]
"""Text of many lines."""

Line = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_one_line)]
"""Text of one line, without blanks at its ends."""

Units = Annotated[int, Field(ge=0, le=MOST_UNITS)]
"""A number of things; it fits the database's INT."""


class Schema(BaseModel):
    """A JSON body: unknown fields are refused, and ``true`` or ``"1"`` is no number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """Query parameters: always text, so numbers are read from it; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Page(Query):
    """Which part of a list."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=500)


class Shown(BaseModel):
    """A JSON answer."""

    model_config = ConfigDict(from_attributes=True, frozen=True)
