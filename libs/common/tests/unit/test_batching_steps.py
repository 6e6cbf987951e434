# SPDX-License-Identifier: Apache-2.0
"""Two steps one after the other: who goes on goes together, and nobody else waits for them."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from common import batching
from common.batching import Batcher, On
from common.problems import Unavailable
from common.testing import eventually

OVER = 100
"""Numbers from here on are answered by the first step; the others go on."""


class Step:
    """Remembers its batches, and does nothing while the gate is closed."""

    def __init__(self, outcome):
        self.batches = []
        self.gate = Event()
        self.gate.set()
        self.outcome = outcome

    def __call__(self, numbers):
        self.batches.append(list(numbers))
        assert self.gate.wait(20)
        return [self.outcome(number) for number in numbers]

    def is_at_work(self, count=1):
        return len(self.batches) == count


@pytest.fixture
def first():
    return Step(lambda number: -number if number >= OVER else On(number))


@pytest.fixture
def second():
    return Step(lambda number: number * 2)


@pytest.fixture
def steps(first, second):
    def connect(*, seconds=20.0, then_seconds=20.0, **then):
        return Batcher(
            "first",
            first,
            then=Batcher("then", second, seconds=then_seconds, **then),
            seconds=seconds,
        )

    return connect


@pytest.fixture
def pool():
    with ThreadPoolExecutor(64) as pool:
        yield pool


@pytest.fixture
def patient(monkeypatch):
    """The first step waits for the second one as long as that takes."""
    monkeypatch.setattr(batching, "GATHER_SECONDS", 20)


def test_a_lone_caller_goes_through_both_steps_by_itself(steps, first, second):
    batcher = steps()

    assert batcher.submit(21) == 42
    assert batcher.submit(OVER) == -OVER

    assert (first.batches, second.batches) == ([[21], [OVER]], [[21]])


@pytest.mark.usefixtures("patient")
def test_who_comes_while_the_second_step_is_busy_takes_both_together(pool, steps, first, second):
    batcher = steps()
    second.gate.clear()
    told = [pool.submit(batcher.submit, 1)]
    eventually(second.is_at_work, what="one at the second step")
    told += [pool.submit(batcher.submit, number) for number in range(2, 12)]
    eventually(lambda: len(batcher.line.waiting) == 10, what="the others at the first")

    second.gate.set()

    assert [answer.result(20) for answer in told] == [number * 2 for number in range(1, 12)]
    assert [sorted(batch) for batch in first.batches] == [[1], [*range(2, 12)]]
    assert [sorted(batch) for batch in second.batches] == [[1], [*range(2, 12)]]


def test_the_first_step_answers_while_the_second_one_hangs(pool, steps, second):
    batcher = steps()
    second.gate.clear()
    hanging = [pool.submit(batcher.submit, number) for number in (1, 2)]
    eventually(second.is_at_work, what="one at the second step")

    assert batcher.submit(OVER + 7) == -OVER - 7

    assert not any(answer.done() for answer in hanging)
    second.gate.set()
    assert [answer.result(20) for answer in hanging] == [2, 4]


def test_of_a_batch_each_goes_its_own_way(pool, steps, first, second):
    batcher = steps()
    first.gate.clear()
    told = [pool.submit(batcher.submit, 0)]
    eventually(first.is_at_work, what="one at the first step")
    told += [pool.submit(batcher.submit, number) for number in (1, OVER, 2, OVER + 1)]
    eventually(lambda: len(batcher.line.waiting) == 4, what="the others in line")

    first.gate.set()

    assert [answer.result(20) for answer in told] == [0, 2, -OVER, 4, -OVER - 1]
    assert sorted(number for batch in second.batches for number in batch) == [0, 1, 2]


def test_one_caller_of_many_items_may_be_at_both_steps(steps, first, second):
    batcher = steps(most=3)

    assert batcher.submit_all(range(70)) == [number * 2 for number in range(70)]

    assert [len(batch) for batch in first.batches] == [64, 6]
    assert max(len(batch) for batch in second.batches) == 3


def test_who_goes_on_and_finds_no_room_is_told_so(pool, steps, second):
    batcher = steps(room=1)
    second.gate.clear()
    told = [pool.submit(batcher.submit, 1)]
    eventually(second.is_at_work, what="one at the second step")
    told.append(pool.submit(batcher.submit, 2))
    eventually(lambda: len(batcher._next.waiting) == 1, what="one in line")

    with pytest.raises(Unavailable):
        batcher.submit(3)

    second.gate.set()
    assert [answer.result(20) for answer in told] == [2, 4]
    assert batcher.submit(3) == 6


def test_each_step_has_its_own_time(pool, steps, first, second):
    batcher = steps(seconds=0.1, then_seconds=20)
    first.gate.clear()
    second.gate.clear()
    began = time.monotonic()
    told = [pool.submit(batcher.submit, 0)]
    eventually(first.is_at_work, what="one at the first step")
    first.gate.set()
    eventually(second.is_at_work, what="one at the second step")
    told.append(pool.submit(batcher.submit, 1))
    eventually(lambda: len(batcher._next.waiting) == 1, what="the other one in its line")

    eventually(lambda: time.monotonic() > began + 0.3, what="the first step's time being over")

    assert not told[1].done()
    second.gate.set()
    assert [answer.result(20) for answer in told] == [0, 2]


def test_the_second_steps_time_ends_too(pool, steps, second):
    batcher = steps(then_seconds=0.1)
    second.gate.clear()
    ahead = pool.submit(batcher.submit, 1)
    eventually(second.is_at_work, what="one at the second step")

    with pytest.raises(Unavailable):
        batcher.submit(2)

    second.gate.set()
    assert ahead.result(20) == 2
    assert second.batches == [[1]]
    assert batcher.submit(3) == 6


def test_who_left_during_the_first_step_does_not_go_on(pool, second):
    ahead, slow = Event(), Event()
    batches = []

    def begin(numbers):
        batches.append(numbers)
        assert (slow if 2 in numbers else ahead).wait(20)
        return [On(number) for number in numbers]

    batcher = Batcher("first", begin, then=Batcher("then", second), seconds=1)
    told = [pool.submit(batcher.submit, 0)]
    eventually(lambda: batches, what="one at the first step")
    for number in (1, 2):
        told.append(pool.submit(batcher.submit, number))
        eventually(lambda number=number: len(batcher.line.waiting) == number, what="one more")
    ahead.set()
    eventually(lambda: len(batches) == 2, what="the others at the first step")

    assert isinstance(told[2].exception(20), Unavailable)
    slow.set()

    assert [answer.result(20) for answer in told[:2]] == [0, 2]
    assert second.batches == [[0], [1]]


def test_no_lane_of_either_step_is_lost_when_callers_give_up(pool):
    pace = Event()

    def work(outcome):
        def do(numbers):
            pace.wait(0.001)
            return [outcome(number) for number in numbers]

        return do

    then = Batcher("then", work(lambda number: number), most=2, seconds=0.004, lanes=2)
    batcher = Batcher("hasty", work(On), then=then, most=3, seconds=0.004, lanes=2)

    told = [
        outcome.exception(60)
        for outcome in [pool.submit(batcher.submit, number) for number in range(3000)]
    ]

    gave_up = [error for error in told if error is not None]
    assert {type(error) for error in gave_up} <= {Unavailable}
    assert 0 < len(gave_up) < 3000  # else the race was not on
    for line in (batcher.line, then.line):
        assert (len(line.waiting), line.free_lanes) == (0, 2)
    assert batcher.submit(7) == 7
