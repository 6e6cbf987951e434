# SPDX-License-Identifier: Apache-2.0
"""One acknowledgement may speak for many; never for a message that is not finished."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from common.amqp.consumer import Unfinished


@st.composite
def finished_batches(draw):
    """What arrives, and in which portions it is finished, in any order."""
    count = draw(st.integers(1, 40))
    order = draw(st.permutations(range(1, count + 1)))
    ends = sorted(draw(st.sets(st.integers(0, count))) | {0, count})
    return count, [set(order[start:end]) for start, end in pairwise(ends)]


@given(finished_batches())
def test_the_broker_hears_of_all_that_is_finished_and_of_nothing_else(batches):
    count, portions = batches
    unfinished, open_at_broker = Unfinished(), set(range(1, count + 1))
    for tag in range(1, count + 1):
        unfinished.add(tag)
    for portion in portions:
        before = set(open_at_broker)
        for tag, multiple in unfinished.finish(portion):
            assert tag in open_at_broker, "the broker closes the channel over a tag it knows not"
            open_at_broker -= {one for one in before if one <= tag} if multiple else {tag}
        assert open_at_broker == before - portion

    assert not open_at_broker


def test_a_whole_batch_is_one_word():
    unfinished = Unfinished()
    for tag in range(1, 201):
        unfinished.add(tag)

    assert unfinished.finish(set(range(1, 101))) == [(100, True)]
    assert unfinished.finish({101}) == [(101, False)]
    assert unfinished.finish({103, 104}) == [(103, False), (104, False)]
    assert unfinished.finish({102}) == [(102, False)]
