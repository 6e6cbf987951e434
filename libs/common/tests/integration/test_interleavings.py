# SPDX-License-Identifier: Apache-2.0
"""The tool that tries every order of statements tries every one, and each once."""

import pytest

from common.problems import Problem
from common.testing.interleavings import Interleavings

DEADLOCK = 1213


@pytest.fixture
def rows(shop):
    """Two rows to change."""
    for name in ("a", "b"):
        shop.database.run(shop.add, name, 10)
    return shop


@pytest.fixture
def play(rows):
    """Every order of two commands, each of which adds one to these rows, one after the other."""

    def add(database, names):
        database.run(lambda session: [rows.add(session, name) for name in names])
        return "added"

    def every(first, second):
        with Interleavings(rows.database, [add, add]) as both:
            return list(both.every(lambda: [{"names": first}, {"names": second}]))

    return every


def turns(plays):
    return ["".join(step[0] for step in play.steps) for play in plays]


def test_where_nobody_waits_all_orders_are_tried_and_each_once(play):
    plays = play("a", "b")

    # One statement and one commit each.
    assert sorted(turns(plays)) == ["0011", "0101", "0110", "1001", "1010", "1100"]
    assert plays[0].steps[1] == "0 COMMIT"
    assert {tuple(play.words) for play in plays} == {("added", "added")}


def test_who_waits_for_a_lock_is_not_asked_to_go_on(play, rows):
    plays = play("a", "a")

    # The second statement waits for the first one's commit, wherever it was begun.
    assert sorted(turns(plays)) == ["0011", "0101", "1010", "1100"]
    assert rows.value("a") == 10 + 2 * 4


def test_the_orders_that_end_in_a_deadlock_are_among_them(play, rows):
    plays = play("ab", "ba")

    assert [DEADLOCK] in [play.lost_races for play in plays]
    assert [] in [play.lost_races for play in plays]
    assert {tuple(play.words) for play in plays} == {("added", "added")}
    assert rows.value("a") == rows.value("b") == 10 + 2 * len(plays)


def test_what_goes_wrong_in_a_command_is_its_word(rows):
    class OutOfOrder(Problem):
        status = 409

    def refuse(_database):
        raise OutOfOrder

    def break_the_rule(database):
        database.run(rows.add, "a", -100)
        return "added"

    with Interleavings(rows.database, [refuse, break_the_rule]) as both:
        words = [play.words for play in both.every(lambda: [{}, {}])]

    assert words[0] in [["out_of_order", "error 4025"], ["out_of_order", "error 3819"]]
