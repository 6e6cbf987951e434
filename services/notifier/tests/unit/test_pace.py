# SPDX-License-Identifier: Apache-2.0
from threading import Event as Signal

import pytest

from common.problems import Unavailable
from notifier.pace import Pace
from notifier.polling import Polling


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def spend_all(pace):
    count = pace.allowance()
    for _ in range(count):
        pace.spend()
    return count


@pytest.mark.parametrize("per_second", [0.5, 1, 7, 10, 100])
def test_no_more_go_than_the_rate_allows(per_second):
    clock = Clock()
    pace = Pace(per_second, clock)
    gone = 0
    for _ in range(60_000):
        gone += spend_all(pace)
        clock.now += 0.001

    assert 60 * per_second - 1 <= gone <= 60.25 * per_second + 1


def test_a_long_rest_saves_up_no_more_than_a_quarter_second():
    clock = Clock()
    pace = Pace(100, clock)
    clock.now += 3600

    assert spend_all(pace) == 25


def test_a_slow_pace_lets_one_go_and_then_waits():
    clock = Clock()
    pace = Pace(0.5, clock)

    assert [spend_all(pace), spend_all(pace)] == [1, 0]
    clock.now += 2
    assert spend_all(pace) == 1


class Stop(Signal):
    """Counts what it is asked to wait, and does not wait."""

    def __init__(self, rounds):
        super().__init__()
        self.waits = []
        self._rounds = rounds

    def wait(self, timeout=None):
        self.waits.append(timeout)
        if len(self.waits) >= self._rounds:
            self.set()
        return self.is_set()


def test_polling_slows_down_while_there_is_nothing_and_speeds_up_again():
    moved = iter([1, *[0] * 8, 1])
    stop = Stop(10)

    Polling("test", lambda: next(moved), has_work=lambda: True).run(stop)

    assert stop.waits[0] == stop.waits[-1] == 0.02
    assert stop.waits[1:9] == sorted(stop.waits[1:9])
    assert stop.waits[8] == 1.0


def test_polling_waits_out_what_is_not_available():
    answers = iter([Unavailable("away"), 1])

    def work():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    stop = Stop(2)
    Polling("test", work, has_work=lambda: True).run(stop)

    assert stop.waits == [1.0, 0.02]


def test_polling_works_only_where_there_is_work_once_it_found_none():
    moved, answers = iter([0, 1, 0]), iter([False, False, True, False])
    stop = Stop(6)

    Polling("test", lambda: next(moved), has_work=lambda: next(answers)).run(stop)

    assert (list(moved), list(answers)) == ([], [])


def test_polling_ends_with_an_error_that_nobody_expects():
    def work():
        raise KeyError("bug")

    with pytest.raises(KeyError):
        Polling("test", work, has_work=lambda: True).run(Stop(2))
