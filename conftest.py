# SPDX-License-Identifier: Apache-2.0
"""The fixtures of every room, and which tests stay together when two processes run them."""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["common.testing.fixtures", "support.replication"]

ONE_BY_ONE = ("tests/e2e/", "tests/faults/", "tests/races/", "tests/upgrades/")
"""Rooms for one of the processes. Three share a running stack, which is started once; and what is
promised within seconds is not judged beside a sale that takes the whole machine."""


def pytest_configure(config: pytest.Config) -> None:
    if config.pluginmanager.hasplugin("hypothesispytest"):
        from hypothesis import HealthCheck, settings  # noqa: PLC0415 - the mutants do without

        # A machine that stalls is no finding.
        slow = [HealthCheck.too_slow]
        settings.register_profile("patient", deadline=None, suppress_health_check=slow)
        settings.load_profile("patient")


class Rooms(LoadScopeScheduling):
    """Gives a whole room to one process, so that what its tests share is made once."""

    def _split_scope(self, nodeid: str) -> str:
        return "one by one" if nodeid.startswith(ONE_BY_ONE) else "/".join(nodeid.split("/")[:2])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Rooms:
    return Rooms(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        # The longest work first: else one process ends early and watches the other.
        items.sort(key=lambda item: not item.nodeid.startswith(ONE_BY_ONE))
