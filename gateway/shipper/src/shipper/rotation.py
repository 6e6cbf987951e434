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
    """Begin a new log when the old one has grown, or when its first view is old; whether it was.

    The name leads to a log at every moment. nginx looks once a second where it leads, and loses the
    line for which it leads nowhere.
    """
    try:
        with view_log.open("rb") as stream:
            status = os.fstat(stream.fileno())
            first = FIRST_VIEW.match(stream.read(BEGINNING_BYTES))
    except FileNotFoundError:
        return False
    is_old = first and now.timestamp() - int(first[1]) >= most_seconds
    if status.st_size < most_bytes and not is_old:
        return False
    new = view_log.with_name(f"{view_log.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    os.chown(new, status.st_uid, status.st_gid)
    # Whoever dies between these two leaves one log under two names; the older one is then deleted.
    os.link(view_log, view_log.with_name(f"{view_log.name}.{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"))
    new.replace(view_log)
    log.info("view_log_rotated")
    return True
