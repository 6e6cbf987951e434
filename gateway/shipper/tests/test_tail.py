# SPDX-License-Identifier: Apache-2.0
import itertools
import os
import random
import time

import pytest

from shipper.tail import (
    CHUNK_BYTES,
    LONGEST_LINE_BYTES,
    MOST_LINES,
    SETTLED_SECONDS,
    Position,
    bytes_behind,
    next_batch,
    read_completely,
)

SERIAL = itertools.count()


def lines(count):
    return [f"line {next(SERIAL):032}".encode() for _ in range(count)]


def write(log, written, *, end=b"\n"):
    with log.open("ab") as stream:
        stream.write(b"".join(line + b"\n" for line in written[:-1]) + written[-1] + end)


class Reader:
    """Reads as the shipper does, and can be forgotten and made anew like one that was killed."""

    def __init__(self, log, position=None):
        self.log = log
        self.position = position or Position()

    def read(self, *, later=0.0):
        got = []
        while True:
            batch = next_batch(self.log, self.position, now=time.time() + later)
            if not batch.lines:
                assert batch.position == self.position
                return got
            got += batch.lines
            self.position = batch.position


@pytest.fixture
def log(tmp_path):
    return tmp_path / "views.log"


@pytest.fixture
def reader(log):
    return Reader(log)


def test_no_log_yet_is_nothing_to_read(reader, log):
    assert reader.read() == []
    log.touch()
    assert reader.read() == []
    write(log, first := lines(1))
    assert reader.read() == first


def test_lines_come_once_and_in_order(reader, log):
    for count in (1, 3, 2):
        write(log, new := lines(count))
        assert reader.read() == new
    assert reader.read() == []


def test_half_a_line_waits_for_its_other_half(reader, log):
    whole, half = lines(2)
    write(log, [whole, half[:7]], end=b"")
    assert reader.read() == [whole]
    assert reader.read(later=3600) == []
    write(log, [half[7:]])
    assert reader.read() == [half]


def test_long_logs_come_in_batches(log):
    write(log, written := lines(2 * MOST_LINES + 5))
    batch = next_batch(log, Position(), now=time.time())
    assert list(batch.lines) == written[:MOST_LINES]
    assert Reader(log).read() == written


def test_lines_that_fill_the_chunk_are_not_cut(reader, log):
    written = [line.ljust(60_000, b"x") for line in lines(3 * CHUNK_BYTES // 60_000)]
    write(log, written)
    assert reader.read() == written


def test_renamed_log_is_read_to_its_end_first(reader, log):
    write(log, first := lines(2))
    assert reader.read() == first
    write(log, second := lines(2))
    log.rename(f"{log}.1")
    write(log, third := lines(2))
    assert reader.read() == second
    assert reader.read(later=SETTLED_SECONDS) == third


def test_renamed_log_may_still_grow_for_a_moment(reader, log):
    write(log, first := lines(1))
    assert reader.read() == first
    renamed = log.rename(f"{log}.1")
    write(log, third := lines(1))
    assert reader.read() == []
    write(renamed, second := lines(1))
    assert reader.read() == second
    assert reader.read(later=SETTLED_SECONDS) == third


def test_half_a_line_at_the_end_of_a_renamed_log_blocks_nobody(reader, log):
    write(log, [whole := lines(1)[0], b"half"], end=b"")
    log.rename(f"{log}.1")
    write(log, later := lines(1))
    assert reader.read() == [whole]
    assert reader.read(later=SETTLED_SECONDS) == [b"half", *later]


def test_reader_that_slept_through_rotations_reads_them_in_order(reader, log):
    write(log, first := lines(2))
    assert reader.read() == first
    written = []
    for number in range(4):
        write(log, new := lines(3))
        written += new
        renamed = log.rename(f"{log}-2026112{number}")
        os.utime(renamed, (0, time.time() - 100 + number))
    write(log, new := lines(1))
    assert reader.read() == written + new


def test_numbers_of_renamed_logs_may_shift(reader, log):
    write(log, first := lines(2))
    assert reader.read() == first
    log.rename(f"{log}.1").rename(f"{log}.2")
    write(log, second := lines(2))
    log.rename(f"{log}.1")
    write(log, third := lines(2))
    assert reader.read(later=SETTLED_SECONDS) == second + third


def test_cut_log_is_read_from_its_start(reader, log):
    write(log, first := lines(5))
    assert reader.read() == first
    log.write_bytes(b"")
    assert reader.read() == []
    write(log, second := lines(2))
    assert reader.read() == second


def test_cut_log_that_grew_past_the_old_place_is_noticed(reader, log):
    write(log, first := lines(2))
    assert reader.read() == first
    log.write_bytes(b"")
    write(log, second := lines(10))
    assert reader.read() == second


def test_log_that_was_copied_and_cut_is_finished_in_the_copy(reader, log):
    write(log, first := lines(2))
    assert reader.read() == first
    write(log, second := lines(2))
    copy = log.with_name("views.log.1")
    copy.write_bytes(log.read_bytes())
    log.write_bytes(b"")
    write(log, third := lines(1))
    assert reader.read(later=SETTLED_SECONDS) == second + third


def test_new_file_with_the_old_inode_number_is_not_taken_for_the_old_one(reader, log):
    """ext4 gives a deleted file's number to the next one; a position by number would skip lines."""
    write(log, first := lines(3))
    assert reader.read() == first
    log.unlink()
    write(log, second := lines(8))
    assert reader.read() == second


def test_lost_position_starts_with_the_oldest_log(log):
    write(log, first := lines(2))
    os.utime(log.rename(f"{log}.1"), (0, time.time() - 100))
    write(log, second := lines(2))
    assert Reader(log).read() == first + second
    assert Reader(log, Position(beginning=b"another", offset=7)).read() == first + second


def test_files_that_are_no_logs_are_left_alone(reader, log):
    write(log, first := lines(1))
    for name in ("views.log.offset", "views.log.1.gz", "views.log.new", "views.logs", "other.1"):
        write(log.with_name(name), lines(1))
    assert reader.read() == first


def test_garbage_without_an_end_does_not_block_what_follows(reader, log):
    log.write_bytes(b"\0" * (3 * LONGEST_LINE_BYTES + 17))
    garbage = reader.read()
    write(log, [b"", *(whole := lines(2))])
    garbage += reader.read()
    assert garbage[-2:] == whole
    assert set(b"".join(garbage[:-2])) <= {0}


def test_bytes_behind(reader, log):
    assert bytes_behind(log, reader.position) == 0
    write(log, lines(2))
    length = log.stat().st_size
    assert bytes_behind(log, reader.position) == length
    reader.read()
    assert bytes_behind(log, reader.position) == 0
    log.rename(f"{log}.1")
    write(log, lines(4))
    assert bytes_behind(log, reader.position) == log.stat().st_size


def test_only_what_was_read_completely_may_go(reader, log):
    write(log, lines(2))
    reader.read()
    old = log.rename(f"{log}.1")
    write(log, lines(1))
    assert read_completely(log, reader.position) == []
    reader.read(later=SETTLED_SECONDS)
    assert read_completely(log, reader.position) == [old]
    assert read_completely(log, Position()) == []


@pytest.mark.parametrize("seed", range(30))
def test_nothing_is_lost_whatever_happens(log, seed):
    """Random writes, rotations and kills: every line arrives, and in order; some arrive twice."""
    chance = random.Random(seed)
    written, got, kept = [], [], Position()
    for number in range(60):
        match chance.randrange(5):
            case 0 | 1:
                write(log, new := lines(chance.randrange(1, 5)))
                written += new
            case 2:
                if log.exists() and log.stat().st_size:
                    age = time.time() - 1000 + number
                    os.utime(log.rename(f"{log}.{number}"), (age, age))
            case 3:
                batch = next_batch(log, kept, now=time.time())
                got += batch.lines
                kept = batch.position
            case 4:  # killed after the broker had it, before the position was kept
                got += next_batch(log, kept, now=time.time()).lines
    got += Reader(log, kept).read(later=SETTLED_SECONDS)
    assert list(dict.fromkeys(got)) == written
