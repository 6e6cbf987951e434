# SPDX-License-Identifier: Apache-2.0
"""Identifiers that a client of the database can make by itself."""

import secrets
import time
from uuid import UUID


def uuid7() -> UUID:
    """A UUID that sorts by the time it was made, so that inserts go to the index's right edge.

    Source: RFC 9562, section 5.7. The standard library has it from Python 3.14.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
