# SPDX-License-Identifier: Apache-2.0
"""Time for what a request waits for no longer than seconds: a test waits for a busy machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from common import dead_letters
from common.amqp import graveyard
from common.batching import Batcher

LIMITS = ("TURN_SECONDS", "WORK_SECONDS", "ANSWER_SECONDS")


@contextmanager
def visits_at_leisure(seconds: float = 60.0) -> Iterator[None]:
    """Let each visit to dead letters that begins in the block last so long, and not a second."""
    with pytest.MonkeyPatch.context() as patch:
        for name in LIMITS:
            patch.setattr(dead_letters, name, seconds)
        patch.setattr(graveyard, "SETTLE_SECONDS", seconds)
        yield


def nobody_leaves(*batchers: Batcher[Any, Any]) -> None:
    """Who is in line stays there, however long the machine stalls."""
    for batcher in batchers:
        batcher.line.seconds = 60.0
