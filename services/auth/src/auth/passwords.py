# SPDX-License-Identifier: Apache-2.0
"""Passwords: which are good enough, and the slow function that they are kept by."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from threading import BoundedSemaphore
from typing import Annotated

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import AfterValidator, SecretStr, WithJsonSchema

from common.problems import Unavailable

SHORTEST = 8
LONGEST = 256
MEMORY_KIB = 19 * 1024
PASSES = 2


@cache
def commonest() -> frozenset[str]:
    """The passwords that anybody tries first, in lower case."""
    text = files("auth").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def _no_nul(password: SecretStr) -> SecretStr:
    if "\0" in password.get_secret_value():
        raise ValueError("must not contain NUL")
    return password


def _acceptable(password: SecretStr) -> SecretStr:
    text = password.get_secret_value()
    if not SHORTEST <= len(text) <= LONGEST:
        raise ValueError(f"must have {SHORTEST} to {LONGEST} characters")
    if text.casefold() in commonest():
        raise ValueError("is one of the passwords that are tried first; choose another")
    return password


def _not_too_long(password: SecretStr) -> SecretStr:
    if not 0 < len(password.get_secret_value()) <= LONGEST:
        raise ValueError(f"must have 1 to {LONGEST} characters")
    return password


Password = Annotated[
    SecretStr,
    AfterValidator(_no_nul),
    AfterValidator(_acceptable),
    WithJsonSchema(
        {"type": "string", "format": "password", "minLength": SHORTEST, "maxLength": LONGEST}
    ),
]
"""A password to keep. Blanks count, nothing is cut off, and ``repr`` shows none of it."""

GivenPassword = Annotated[
    SecretStr,
    AfterValidator(_no_nul),
    AfterValidator(_not_too_long),
    WithJsonSchema({"type": "string", "format": "password", "minLength": 1, "maxLength": LONGEST}),
]
"""A password to compare: whatever rule was in force when it was set."""


SeedPassword = GivenPassword
"""A password to keep that came in on a seed's surface: their own samples have five characters."""


class Hashing:
    """Argon2id, a few at once: each one takes 19 MiB and some 30 ms of a processor.

    Args:
        at_once: How many run at the same time in this process.
        wait_seconds: How long a request waits for its turn.
    """

    def __init__(self, *, at_once: int, wait_seconds: float) -> None:
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1)
        self._slots = BoundedSemaphore(at_once)
        self._wait_seconds = wait_seconds
        self._nobodys = self._hasher.hash("the password of nobody")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and hold it for the block.

        Raises:
            Unavailable: Too many others wait as well.
        """
        if not self._slots.acquire(timeout=self._wait_seconds):
            raise Unavailable("Too many log-ins at once; try again.")
        try:
            yield
        finally:
            self._slots.release()

    def hash(self, password: SecretStr) -> str:
        """What to keep instead of *password*.

        Raises:
            Unavailable: No turn in time.
        """
        with self.turn():
            return self._hasher.hash(password.get_secret_value())

    def matches(self, password_hash: str | None, password: SecretStr) -> bool:
        """Whether *password* is the one; the caller holds a turn.

        Without a hash it takes just as long, so that the time does not tell who has an account.
        """
        try:
            self._hasher.verify(password_hash or self._nobodys, password.get_secret_value())
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None
