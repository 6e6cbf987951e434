# SPDX-License-Identifier: Apache-2.0
"""A whole private stack for the rooms that need one, started when the first of them asks."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from souk_local.ports import Ports
from souk_local.stack import Stack
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
def shop(stack: Stack) -> Shop:
    return Shop(stack.environments.gateway_url, stack.directory)
