# SPDX-License-Identifier: Apache-2.0
"""Usernames and addresses: what they may look like, and when two of them are the same."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from common.schemas import Line

LONGEST_USERNAME = 80
LONGEST_USERNAME_KEY = 160
"""Normalising makes some single characters long; no name that people use doubles its length."""
LONGEST_EMAIL = 254
LONGEST_FULLNAME = 200
STORE = "store"
"""The seller of what an open store's strangers offer. Nobody else can have this name."""

INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


def name_key(text: str) -> str:
    """The form in which names are compared: ``Ａda``, ``ADA`` and ``ada`` are one name.

    Folded once more after normalising, because each of the two steps can undo the other.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded).casefold().strip()


def _visible(text: str) -> str:
    if any(unicodedata.category(character) in INVISIBLE for character in text):
        raise ValueError("must not contain invisible characters")
    return text


def _is_username(text: str) -> str:
    key = name_key(text)
    # In the key, because a full-width "＠" becomes one there; a login with "@" is an address.
    if "@" in key:
        raise ValueError('must not contain "@"')
    if not 0 < len(key) <= LONGEST_USERNAME_KEY:
        raise ValueError("is not usable as a name")
    return text


def _is_address(text: str) -> str:
    if not ADDRESS.fullmatch(text) or not ADDRESS.fullmatch(name_key(text)):
        raise ValueError('must be an address such as "ada@example.com"')
    if len(name_key(text)) > LONGEST_EMAIL:
        raise ValueError(f"must have at most {LONGEST_EMAIL} characters")
    return text


Username = Annotated[
    Line,
    Field(min_length=1, max_length=LONGEST_USERNAME),
    AfterValidator(_visible),
    AfterValidator(_is_username),
]
EmailAddress = Annotated[
    Line,
    Field(min_length=3, max_length=LONGEST_EMAIL),
    AfterValidator(_visible),
    AfterValidator(_is_address),
]
Fullname = Annotated[Line, Field(min_length=1, max_length=LONGEST_FULLNAME)]
