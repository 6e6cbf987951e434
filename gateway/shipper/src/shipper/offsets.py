# SPDX-License-Identifier: Apache-2.0
"""How far we are, kept in a file that is at every moment either the old one or the new one."""

import os
from pathlib import Path

import orjson

from common.logs import get_logger
from shipper.tail import Position

log = get_logger(__name__)


def load(file: Path) -> Position:
    """The position that was kept last; the very beginning where there is none."""
    try:
        kept = orjson.loads(file.read_bytes())
        position = Position(beginning=bytes.fromhex(kept["beginning"]), offset=int(kept["offset"]))
    except FileNotFoundError:
        return Position()
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        log.warning("offset_unreadable", file=str(file))
        return Position()
    return position


def keep(file: Path, position: Position) -> None:
    """Keep *position*, so that even a power cut leaves a whole file behind."""
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = {"beginning": position.beginning.hex(), "offset": position.offset}
    new = file.with_name(f"{file.name}.new")
    with new.open("wb") as stream:
        stream.write(orjson.dumps(kept))
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
