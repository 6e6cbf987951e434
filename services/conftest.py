# SPDX-License-Identifier: Apache-2.0
"""What holds for the tests of every service."""

import pytest
from flask import Flask

from common.testing.answers import CheckedClient


@pytest.fixture(autouse=True)
def answers_are_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer that a test gets is one that the service's API document promises."""
    monkeypatch.setattr(Flask, "test_client_class", CheckedClient)
