# SPDX-License-Identifier: Apache-2.0
import pytest

from support import promql
from support.promtool import Promtool, find_promtool


@pytest.fixture(scope="session")
def promtool() -> Promtool:
    return find_promtool()


@pytest.fixture(scope="session")
def exposed() -> dict[str, set[str]]:
    """Every series that our code tells, with its labels."""
    return promql.exposed()
