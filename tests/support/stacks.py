# SPDX-License-Identifier: Apache-2.0
"""A whole private stack for a room of tests, gone with all its data afterwards."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from souk_local.ports import Ports
from souk_local.stack import Stack

ROOT = Path(__file__).parents[2]
S = TypeVar("S", bound=Stack)


@contextmanager
def private(kind: type[S], *, web_workers: int = 2) -> Iterator[S]:
    """Every process of the product, on ports of its own, beside any other stack."""
    # A short path: the sockets below it may have no more than 107 characters.
    directory = Path(tempfile.mkdtemp(prefix="souk-")) / "run"
    stack = kind(directory, Ports.free(), ROOT / "gateway", web_workers=web_workers)
    try:
        stack.up()
        yield stack
    finally:
        stack.down()
        shutil.rmtree(directory.parent, ignore_errors=True)
