# SPDX-License-Identifier: Apache-2.0
"""Time for visits to dead letters: a request waits for a second, a test for a busy machine."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from common import dead_letters
from common.amqp import graveyard

LIMITS = ("TURN_SECONDS", "WORK_SECONDS", "ANSWER_SECONDS")


@contextmanager
def visits_at_leisure(seconds: float = 60.0) -> Iterator[None]:
    """Let each visit that begins in the block last so long; the limits have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in LIMITS:
            patch.setattr(dead_letters, name, seconds)
        patch.setattr(graveyard, "SETTLE_SECONDS", min(seconds, 10.0))
        yield
