# SPDX-License-Identifier: Apache-2.0
"""What tests need: real servers, tokens that verify, waiting for conditions."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

TRIES = 3


def eventually(condition: Callable[[], T | None], *, seconds: float = 30.0, what: str = "") -> T:
    """Ask until *condition* gives something true, and return that.

    Raises:
        AssertionError: It did not in *seconds*.
    """
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            name = what or getattr(condition, "__name__", "the condition")
            raise AssertionError(f"{name} did not come true in {seconds} s; last: {result!r}")
        time.sleep(0.02)
    return result


def ever_within(seconds: float, act: Callable[[], object]) -> bool:
    """Whether *act* takes less in one of its tries: a stalling machine spoils one, a fault all.

    Only for what remembers nothing from one try to the next, as an open circuit breaker does.
    """

    def took() -> float:
        began = time.monotonic()
        act()
        return time.monotonic() - began

    return any(took() < seconds for _ in range(TRIES))
