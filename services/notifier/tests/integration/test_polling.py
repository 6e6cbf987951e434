# SPDX-License-Identifier: Apache-2.0
"""What the worker asks while it idles: one cheap question for each of its polls."""

import os
import subprocess
import sys
from itertools import count
from time import sleep, thread_time

import pytest

from common.question import Question
from common.testing.counting import counting
from notifier import polling
from notifier.polling import Polling
from notifier.queries import HAS_DUE_DELIVERIES, HAS_OPEN_NOTICES


@pytest.fixture
def ask(database):
    questions = [Question(database, sql) for sql in (HAS_OPEN_NOTICES, HAS_DUE_DELIVERIES)]
    yield lambda: [question.ask() for question in questions]
    for question in questions:
        question.close()


def test_what_is_to_be_fanned_out_or_sent_is_seen(house, make, ask):
    house.admins("ada")
    assert ask() == [False, False]

    house.hear(make.price())
    assert ask() == [True, False]

    house.fan_out()
    assert ask() == [False, True]

    house.send()
    assert ask() == [False, False]


def test_a_look_at_nothing_is_one_statement_and_no_transaction(database, ask):
    ask()
    with counting(database) as asked:
        ask()

    assert (asked.statements, asked.commits) == ([HAS_OPEN_NOTICES, HAS_DUE_DELIVERIES], 0)


class Rounds:
    """Lets a task do so many rounds, and keeps for how long it waited after each."""

    def __init__(self, count):
        self.count = count
        self.waits = []

    def is_set(self):
        return len(self.waits) == self.count

    def wait(self, seconds):
        self.waits.append(seconds)


def test_a_full_round_is_followed_at_once_and_another_after_a_pause(monkeypatch):
    stands_in_line(monkeypatch, 0)
    moved = iter([100, 99, 1, 0, 0, 0])
    rounds = Rounds(6)

    work = Polling("t", lambda: next(moved), has_work=lambda: True, pause=0.25, full=100)
    work.run(rounds)

    assert rounds.waits == [0.02, 0.25, 0.25, 0.5, 1, 1]


def stands_in_line(monkeypatch, seconds):
    """Each round has to wait for a processor for so many *seconds*."""
    waited = count(step=seconds)  # a round looks twice
    monkeypatch.setattr(polling, "_in_line", lambda: next(waited))


def test_who_stood_in_line_rests_for_twice_as_long(monkeypatch):
    stands_in_line(monkeypatch, 0.2)
    rounds = Rounds(3)

    Polling("t", lambda: 1, has_work=lambda: True).run(rounds)

    assert rounds.waits == pytest.approx([0.4, 0.4, 0.4])


def test_nobody_rests_for_more_than_a_second(monkeypatch):
    stands_in_line(monkeypatch, 60)
    rounds = Rounds(1)

    Polling("t", lambda: 1, has_work=lambda: True).run(rounds)

    assert rounds.waits == [1]


def test_who_waited_for_somebody_goes_on_as_usual():
    rounds = Rounds(3)

    def wait():
        sleep(0.2)
        return 1

    Polling("t", wait, has_work=lambda: True).run(rounds)

    # Others may have had the processor when one of the waits was over.
    assert min(rounds.waits) == pytest.approx(0.02, abs=0.01)


@pytest.fixture
def crowd():
    """Three programs for each processor that want it all of the time."""
    forever = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(forever) for _ in range(3 * os.cpu_count())]
    yield
    for other in others:
        other.kill()
        other.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how long a thread waited")
def test_in_a_crowd_a_task_stands_in_line(crowd):
    rounds = Rounds(1)

    def work():
        until = thread_time() + 0.2
        while thread_time() < until:
            pass
        return 1

    Polling("t", work, has_work=lambda: True).run(rounds)

    [rest] = rounds.waits
    assert rest > 0.04


def test_where_nobody_tells_a_task_just_goes_on(monkeypatch, tmp_path):
    monkeypatch.setattr(polling, "SCHEDULED", tmp_path / "none")
    rounds = Rounds(1)

    Polling("t", lambda: 1, has_work=lambda: True).run(rounds)

    assert rounds.waits == [0.02]
