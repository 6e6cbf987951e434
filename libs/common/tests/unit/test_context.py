# SPDX-License-Identifier: Apache-2.0
import threading

import pytest

from common.context import Trace, current_trace, set_actor, set_trace, traced


@pytest.fixture(autouse=True)
def own_trace():
    with traced(Trace(correlation_id="outer", actor="test")):
        yield


def test_work_without_a_cause_gets_one_and_keeps_it():
    seen = []

    def work():
        seen.extend([current_trace(), current_trace()])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert seen[0] is seen[1]
    assert len(seen[0].correlation_id) == 32
    assert (seen[0].actor, seen[0].causation_id) == ("system", None)


def test_two_pieces_of_work_have_two_causes():
    assert Trace().correlation_id != Trace().correlation_id


def test_the_actor_changes_and_the_cause_stays():
    set_trace(Trace(correlation_id="abc", causation_id="event"))

    set_actor("user/7")

    assert current_trace() == Trace(correlation_id="abc", causation_id="event", actor="user/7")


def test_a_block_gives_the_cause_back_even_when_it_fails():
    def fail():
        assert current_trace().correlation_id == "inner"
        raise LookupError

    with pytest.raises(LookupError), traced(Trace(correlation_id="inner")):
        fail()

    assert current_trace().correlation_id == "outer"


def test_one_thread_does_not_see_anothers_cause():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(current_trace().correlation_id))
    thread.start()
    thread.join()

    assert seen != ["outer"]
