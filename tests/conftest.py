# SPDX-License-Identifier: Apache-2.0
"""A whole stack for the rooms that need one, started when the first of them asks."""

import os
from collections.abc import Iterator

import pytest

from souk_local.stack import Stack
from support import stacks
from support.containers import shop_in_containers
from support.shop import Shop


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    with stacks.private(Stack) as made:
        yield made


@pytest.fixture(scope="session")
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """The stack from outside; with ``SOUK_TEST_STACK=compose`` one in containers."""
    if os.environ.get("SOUK_TEST_STACK") == "compose":
        yield from shop_in_containers(tmp_path_factory.mktemp("compose"))
    else:
        stack: Stack = request.getfixturevalue("stack")
        yield Shop(stack.environments.gateway_url, stack.directory)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker("inside")
