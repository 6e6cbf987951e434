# SPDX-License-Identifier: Apache-2.0
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, Event

import pytest
from prometheus_client import REGISTRY

from common import batching
from common.problems import Unavailable
from common.testing import eventually

Batcher = partial(batching.Batcher, seconds=60.0)
"""Nobody leaves because the machine stalls; who is to leave says when."""


class Wrong(Exception):
    pass


class Work:
    """Doubles numbers, remembers its batches, and does nothing while the gate is closed."""

    def __init__(self):
        self.batches = []
        self.threads = []
        self.gate = Event()
        self.gate.set()

    def __call__(self, numbers):
        self.batches.append(list(numbers))
        self.threads.append(threading.get_ident())
        assert self.gate.wait(60)
        return [number * 2 for number in numbers]


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(64) as pool:
        yield pool


def waiting(batcher):
    return len(batcher.line.waiting)


def behind_a_closed_gate(pool, batcher, work, numbers):
    """Let one number be at work and the others wait behind it, in this order."""
    work.gate.clear()
    first, *others = numbers
    told = [pool.submit(batcher.submit, first)]
    eventually(lambda: len(work.batches) == 1, what="the first at work")
    for number in others:
        before = waiting(batcher)
        told.append(pool.submit(batcher.submit, number))
        eventually(lambda before=before: waiting(batcher) > before, what="one more waiting")
    return told


@pytest.mark.parametrize(("gathers", "first_batch"), [(True, [1, 2]), (False, [1])])
def test_who_gathers_takes_along_who_comes_at_that_moment(
    pool, work, monkeypatch, gathers, first_batch
):
    batcher, came = Batcher("test", work, gathers=gathers), []

    def let_another_one_come(_seconds):
        if not came:
            came.append(pool.submit(batcher.submit, 2))
            eventually(lambda: waiting(batcher) == 2, what="the other one waiting")

    monkeypatch.setattr(batching, "sleep", let_another_one_come)

    assert pool.submit(batcher.submit, 1).result(20) == 2
    assert work.batches == [first_batch]
    assert [other.result(20) for other in came] == [4] * gathers


def test_a_lone_caller_is_served_at_once_by_itself(work):
    batcher = Batcher("lone", work)

    assert batcher.submit(21) == 42

    assert work.batches == [[21]]
    assert work.threads == [threading.get_ident()]


def test_who_comes_while_a_batch_is_at_work_shares_the_next(work, pool):
    batcher = Batcher("shared", work)
    told = behind_a_closed_gate(pool, batcher, work, range(11))

    work.gate.set()

    assert [answer.result(20) for answer in told] == [number * 2 for number in range(11)]
    assert work.batches == [[0], [*range(1, 11)]]


def test_a_batch_has_its_limit_and_who_waits_longest_goes_first(work, pool):
    batcher = Batcher("limited", work, most=4)
    told = behind_a_closed_gate(pool, batcher, work, range(11))

    work.gate.set()

    assert [answer.result(20) for answer in told] == [number * 2 for number in range(11)]
    assert work.batches == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]


def test_an_exception_among_the_outcomes_is_for_its_caller_alone(pool):
    gate = Work()

    def work(numbers):
        gate(numbers)
        return [Wrong(number) if number == 3 else number for number in numbers]

    batcher = Batcher("outcomes", work)
    told = behind_a_closed_gate(pool, batcher, gate, range(6))

    gate.gate.set()

    assert [told[number].result(20) for number in (0, 1, 2, 4, 5)] == [0, 1, 2, 4, 5]
    with pytest.raises(Wrong, match="3"):
        told[3].result(20)
    assert gate.batches == [[0], [1, 2, 3, 4, 5]]


def test_what_a_batch_raises_is_traced_to_the_item_to_blame(pool):
    gate = Work()

    def work(numbers):
        gate(numbers)
        if 3 in numbers:
            raise Wrong(numbers)
        return numbers

    batcher = Batcher("halved", work)
    told = behind_a_closed_gate(pool, batcher, gate, range(9))

    gate.gate.set()

    assert [told[number].result(20) for number in range(9) if number != 3] == [
        *(0, 1, 2),
        *range(4, 9),
    ]
    with pytest.raises(Wrong, match=r"\[3\]"):
        told[3].result(20)
    assert gate.batches == [
        [0],
        [*range(1, 9)],
        [1, 2, 3, 4],
        [1, 2],
        [3, 4],
        [3],
        [4],
        [5, 6, 7, 8],
    ]


def test_what_is_away_is_nobodys_fault_and_tried_once(pool):
    gate = Work()

    def work(numbers):
        gate(numbers)
        raise Unavailable("The database is away.", retry_after=7)

    batcher = Batcher("away", work)
    told = behind_a_closed_gate(pool, batcher, gate, range(5))

    gate.gate.set()

    errors = [answer.exception(20) for answer in told]
    assert [(error.detail, error.headers) for error in errors] == [
        ("The database is away.", {"Retry-After": "7"})
    ] * 5
    assert len({id(error) for error in errors}) == 5
    assert gate.batches == [[0], [1, 2, 3, 4]]


def test_who_finds_the_room_full_hears_no_at_once(work, pool):
    batcher = Batcher("full", work, room=3)
    told = behind_a_closed_gate(pool, batcher, work, range(4))

    with pytest.raises(Unavailable) as refused:
        batcher.submit(99)
    work.gate.set()

    assert refused.value.headers == {"Retry-After": "1"}
    assert [answer.result(20) for answer in told] == [0, 2, 4, 6]
    assert batcher.submit(99) == 198


def test_who_waits_too_long_leaves_and_is_not_done(work, pool):
    batcher = Batcher("late", work, seconds=0.05)
    (first,) = behind_a_closed_gate(pool, batcher, work, [1])

    with pytest.raises(Unavailable):
        batcher.submit(2)
    work.gate.set()

    # Its own work was done while it led, however long that took.
    assert first.result(20) == 2
    assert work.batches == [[1]]
    assert batcher.submit(3) == 6


def test_who_gives_up_at_work_does_not_know(pool):
    gate = Work()
    gate.gate.clear()
    batcher = Batcher("unknown", gate, seconds=0.2)
    leader = pool.submit(batcher.submit, 1)
    eventually(lambda: len(gate.batches) == 1, what="the first at work")
    late = pool.submit(batcher.submit, 2)
    assert isinstance(late.exception(20), Unavailable)
    gate.gate.set()
    assert leader.result(20) == 2


def test_lanes_are_at_work_at_once(pool):
    meeting = Barrier(2, timeout=20)

    def work(numbers):
        meeting.wait()
        return numbers

    batcher = Batcher("lanes", work, most=1, lanes=2)
    told = [pool.submit(batcher.submit, number) for number in (1, 2)]

    assert sorted(answer.result(20) for answer in told) == [1, 2]


def test_many_items_of_one_caller_keep_their_order(work, pool):
    batcher = Batcher("many", work, most=3)
    lone = behind_a_closed_gate(pool, batcher, work, [100])[0]
    many = pool.submit(batcher.submit_all, range(7))
    eventually(lambda: waiting(batcher) == 7, what="all of them waiting")

    work.gate.set()

    assert many.result(20) == [number * 2 for number in range(7)]
    assert lone.result(20) == 200
    assert work.batches == [[100], [0, 1, 2], [3, 4, 5], [6]]


def test_no_lane_is_lost_when_callers_give_up_as_they_are_called(pool):
    """Whoever is appointed at the moment when it leaves must hand the lane on."""
    pace = Event()

    def work(numbers):
        pace.wait(0.001)
        return numbers

    batcher = Batcher("hasty", work, most=2, seconds=0.002, lanes=2)
    outcomes = [pool.submit(batcher.submit, number) for number in range(3000)]
    told = [outcome.exception(60) for outcome in outcomes]

    gave_up = [error for error in told if error is not None]
    assert {type(error) for error in gave_up} <= {Unavailable}
    assert 0 < len(gave_up) < 3000  # else the race was not on
    assert waiting(batcher) == 0
    assert batcher.line.free_lanes == 2
    assert batcher.submit(7) == 7


def test_sizes_are_measured(work, pool):
    batcher = Batcher("measured", work)
    told = behind_a_closed_gate(pool, batcher, work, range(11))
    work.gate.set()
    for answer in told:
        answer.result(20)

    count = REGISTRY.get_sample_value("souk_batch_items_count", {"batch": "measured"})
    items = REGISTRY.get_sample_value("souk_batch_items_sum", {"batch": "measured"})
    assert (count, items) == (2, 11)
