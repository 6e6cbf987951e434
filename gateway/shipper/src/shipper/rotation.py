# SPDX-License-Identifier: Apache-2.0
"""Keeps the view log short, and what it tells of people young."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from common.logs import get_logger
from shipper.tail import BEGINNING_BYTES

log = get_logger(__name__)

FIRST_VIEW = re.compile(rb'\{"id":"[0-9a-f]{32}","time":(\d+)')


def rotate(view_log: Path, *, most_bytes: int, most_seconds: int, now: datetime) -> bool:
    """Rename the log when it has grown, or when its first view is old; whether it was.

    nginx begins a new one.
    """
    try:
        with view_log.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            first = FIRST_VIEW.match(stream.read(BEGINNING_BYTES))
    except FileNotFoundError:
        return False
    is_old = first and now.timestamp() - int(first[1]) >= most_seconds
    if size < most_bytes and not is_old:
        return False
    view_log.rename(view_log.with_name(f"{view_log.name}.{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"))
    log.info("view_log_rotated")
    return True
