# SPDX-License-Identifier: Apache-2.0
"""Reading a log that others write, rename, cut and finish while we look. No broker in this room."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BEGINNING_BYTES = 64
MOST_LINES = 1000
CHUNK_BYTES = 512 * 1024
LONGEST_LINE_BYTES = 128 * 1024
"""An agent and a path, 8 kB each of what a client may send, are six times as long when escaped."""
SETTLED_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Position:
    """How far a log has been read.

    Attributes:
        beginning: The first bytes of the file that was read. Every line holds a request id, so they
            tell files apart where names and inode numbers, which are used again, do not.
        offset: Where the next line begins; the bytes before it need not be read again.
    """

    beginning: bytes = b""
    offset: int = 0


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Lines in the order of their writing, without their ends, and the position after them."""

    lines: Sequence[bytes]
    position: Position


def next_batch(log: Path, position: Position, *, now: float) -> Batch:
    """The lines after *position*; at most a thousand, none if there are no new ones.

    A renamed file is read to its end before the one that took its name. A line without an end is
    left for later, unless nobody will finish it.

    Args:
        now: Seconds since 1970, by the clock that the files' times come from.
    """
    files = generations(log)
    index, offset = _where(files, position)
    for file in files[index:]:
        is_last = file == files[-1]
        batch = _read(file, offset, is_finished=not is_last and _has_settled(file, now))
        if batch.lines or is_last or not _has_settled(file, now):
            return batch if batch.lines else Batch(lines=(), position=position)
        offset = 0
    return Batch(lines=(), position=position)


def generations(log: Path) -> list[Path]:
    """The log and what it was renamed to (``views.log.1``, ``views.log-20261121``), by age."""
    renamed = re.compile(re.escape(log.name) + r"[.-]\d[\dTZ.-]*")
    found = [entry for entry in log.parent.iterdir() if renamed.fullmatch(entry.name)]
    found.sort(key=lambda entry: (_written_at(entry), entry.name))
    return found + ([log] if log.exists() else [])


def bytes_behind(log: Path, position: Position) -> int:
    """How much of the log is not read yet."""
    files = generations(log)
    index, offset = _where(files, position)
    return max(0, sum(_size(file) for file in files[index:]) - offset)


def read_completely(log: Path, position: Position) -> list[Path]:
    """The renamed files that nothing will be read from any more."""
    files = generations(log)
    index, _ = _where(files, position)
    return files[:index]


def _where(files: Sequence[Path], position: Position) -> tuple[int, int]:
    # From the newest on: a copy that was taken before the log was cut has the same beginning.
    for index in range(len(files) - 1, -1, -1):
        if position.offset and _continues(files[index], position):
            return index, position.offset
    # The log was cut or the position is lost. What is sent once more is dropped by its readers;
    # what is skipped is gone.
    return 0, 0


def _continues(file: Path, position: Position) -> bool:
    try:
        with file.open("rb") as stream:
            has_beginning = stream.read(len(position.beginning)) == position.beginning
            return has_beginning and os.fstat(stream.fileno()).st_size >= position.offset
    except FileNotFoundError:
        return False


def _has_settled(file: Path, now: float) -> bool:
    """Whether nginx has let go of a renamed file: its workers reopen the log one by one."""
    return abs(now - _written_at(file)) >= SETTLED_SECONDS


def _written_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _read(file: Path, offset: int, *, is_finished: bool) -> Batch:
    try:
        with file.open("rb") as stream:
            beginning = stream.read(BEGINNING_BYTES)
            stream.seek(offset)
            lines, length = _lines(stream, is_finished=is_finished)
    except FileNotFoundError:
        return Batch(lines=(), position=Position())
    end = offset + length
    return Batch(lines=lines, position=Position(beginning=beginning[:end], offset=end))


def _lines(stream: BinaryIO, *, is_finished: bool) -> tuple[list[bytes], int]:
    chunk = stream.read(CHUNK_BYTES)
    lines = chunk.split(b"\n")
    rest = lines.pop()
    if len(lines) >= MOST_LINES:
        lines = lines[:MOST_LINES]
    elif rest and (len(rest) > LONGEST_LINE_BYTES or (is_finished and len(chunk) < CHUNK_BYTES)):
        # Nobody writes lines as long as that, and nobody will end the last one of a finished file:
        # let it be judged, so that it does not block those behind it.
        return [*lines, rest], len(chunk)
    return lines, sum(len(line) + 1 for line in lines)
