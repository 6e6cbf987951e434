# SPDX-License-Identifier: Apache-2.0
"""What holds for the tests of every service."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.engine import Engine

from common.testing.answers import CheckedClient

if TYPE_CHECKING:
    from support.shards import Watch


@pytest.fixture(autouse=True)
def answers_are_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer that a test gets is one that the service's API document promises."""
    monkeypatch.setattr(Flask, "test_client_class", CheckedClient)


@pytest.fixture
def shards() -> Iterator["Watch"]:
    """Listens to which of our functions asks the database what, and who asks all shards."""
    from support.shards import Watch  # noqa: PLC0415 - few tests need a parser of SQL

    watch = Watch()
    event.listen(Engine, "before_cursor_execute", watch.hear)
    yield watch
    event.remove(Engine, "before_cursor_execute", watch.hear)
