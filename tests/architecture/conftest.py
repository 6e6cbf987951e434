# SPDX-License-Identifier: Apache-2.0
"""The services as they are found: a new folder is under the rules from its first day."""

from pathlib import Path

import pytest

from souk_apidocs.services import application

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))


def pytest_generate_tests(metafunc):
    if "service" in metafunc.fixturenames:
        metafunc.parametrize("service", SERVICES)


@pytest.fixture(scope="session")
def app_of():
    """Makes a service's application as its web process does; nothing is connected."""
    return application
