# SPDX-License-Identifier: Apache-2.0
"""What the worker asks while it idles: one cheap question for each of its polls."""

from itertools import count
from time import sleep
from types import SimpleNamespace

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


def test_a_full_round_is_followed_at_once_and_another_after_a_pause():
    moved = iter([100, 99, 1, 0, 0, 0])
    rounds = Rounds(6)

    work = Polling("t", lambda: next(moved), has_work=lambda: True, pause=0.25, full=100)
    work.run(rounds)

    assert rounds.waits == [0.02, 0.25, 0.25, 0.5, 1, 1]


def processor(monkeypatch, seconds):
    """Each round keeps the processor for so many *seconds*."""
    used = count(step=seconds)  # a round looks twice
    monkeypatch.setattr(polling, "time", SimpleNamespace(thread_time=lambda: next(used)))


def test_who_kept_the_processor_rests_for_twice_as_long(monkeypatch):
    processor(monkeypatch, 0.2)
    rounds = Rounds(3)

    Polling("t", lambda: 1, has_work=lambda: True).run(rounds)

    assert rounds.waits == pytest.approx([0.4, 0.4, 0.4])


def test_nobody_rests_for_more_than_a_second(monkeypatch):
    processor(monkeypatch, 60)
    rounds = Rounds(1)

    Polling("t", lambda: 1, has_work=lambda: True).run(rounds)

    assert rounds.waits == [1]


def test_who_waited_for_somebody_goes_on_as_usual():
    rounds = Rounds(1)

    def wait():
        sleep(0.2)
        return 1

    Polling("t", wait, has_work=lambda: True).run(rounds)

    assert rounds.waits == [0.02]
