# SPDX-License-Identifier: Apache-2.0
"""Libraries look for others that they could work with, and load what they find, used or not."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hidden(module: str) -> Iterator[None]:
    """What the block imports does not find *module*; whoever has it already keeps it."""
    loaded = sys.modules.get(module)
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]
        if loaded is not None:
            sys.modules[module] = loaded
