# SPDX-License-Identifier: Apache-2.0
"""A whole stack for the rooms that need one, started when the first of them asks."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from souk_local.ports import Ports
from souk_local.stack import Stack
from support.containers import shop_in_containers
from support.shop import Shop

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Every process of the product, on ports of its own, beside any other stack."""
    # A short path: the sockets below it may have no more than 107 characters.
    directory = Path(tempfile.mkdtemp(prefix="souk-")) / "run"
    stack = Stack(directory, Ports.free(), ROOT / "gateway", web_workers=2)
    try:
        stack.up()
        yield stack
    finally:
        stack.down()
        shutil.rmtree(directory.parent, ignore_errors=True)


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
