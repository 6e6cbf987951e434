# SPDX-License-Identifier: Apache-2.0
"""The fixtures of every room, and which tests stay together when two processes run them."""

from pathlib import Path

import pytest

pytest_plugins = ["common.testing.fixtures", "support.replication"]

ROOT = Path(__file__).parent
ON_ONE_STACK = {"tests/e2e", "tests/races", "tests/upgrades"}
"""Rooms that share a running stack: it is started once, in one of the processes."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_room(item)))
    if config.getoption("numprocesses", None) or hasattr(config, "workerinput"):
        # The longest work first: else one process ends early and watches the other.
        items.sort(key=lambda item: _room(item) != "stack")


def _room(item: pytest.Item) -> str:
    room = "/".join(item.path.relative_to(ROOT).parts[:2])
    return "stack" if room in ON_ONE_STACK else room
