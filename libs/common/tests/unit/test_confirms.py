# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import strategies as st

from common.amqp.line import Confirms

FIRST = st.integers(1, 10**6)


@st.composite
def answered_batches(draw):
    """A batch, and a broker's answers that in the end speak for every message."""
    first, count = draw(FIRST), draw(st.integers(1, 40))
    waiting = list(range(first, first + count))
    answers = []
    while waiting:
        tag, multiple = draw(st.sampled_from(waiting)), draw(st.booleans())
        taken = draw(st.booleans())
        spoken_for = {one for one in waiting if one <= tag} if multiple else {tag}
        answers.append((tag, multiple, taken, spoken_for))
        waiting = [one for one in waiting if one not in spoken_for]
    return first, count, answers


@given(answered_batches())
def test_every_message_is_answered_once_in_whatever_order_the_confirms_come(batch):
    first, count, answers = batch
    confirms = Confirms(first, count)
    open_tags, nacked = set(range(first, first + count)), set()

    for tag, multiple, taken, spoken_for in answers:
        confirms.answer(tag, multiple=multiple, taken=taken)
        open_tags -= spoken_for
        nacked |= set() if taken else spoken_for
        assert confirms.waiting == open_tags
        assert confirms.refused == nacked

    assert confirms.waiting == set()


@given(answered_batches(), st.booleans())
def test_a_second_answer_about_a_message_changes_nothing(batch, taken):
    first, count, answers = batch
    confirms = Confirms(first, count)
    for tag, multiple, was_taken, _ in answers:
        confirms.answer(tag, multiple=multiple, taken=was_taken)
    refused = set(confirms.refused)

    confirms.answer(first + count - 1, multiple=True, taken=taken)

    assert confirms.refused == refused


@given(FIRST)
def test_an_earlier_batchs_late_answer_is_no_answer_to_this_one(first):
    confirms = Confirms(first + 10, 3)

    confirms.answer(first + 9, multiple=True, taken=True)
    confirms.answer(first, multiple=False, taken=False)

    assert len(confirms.waiting) == 3
    assert confirms.refused == set()


def test_an_empty_batch_waits_for_nothing():
    assert Confirms(1, 0).waiting == set()
