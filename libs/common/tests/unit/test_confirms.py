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


def sent(first, count):
    confirms = Confirms()
    confirms.waiting = {tag: f"message {tag}" for tag in range(first, first + count)}
    return confirms


@given(answered_batches())
def test_every_message_is_answered_once_in_whatever_order_the_confirms_come(batch):
    first, count, answers = batch
    confirms = sent(first, count)
    open_tags, nacked = set(range(first, first + count)), set()

    for tag, multiple, taken, spoken_for in answers:
        confirms.answer(tag, multiple=multiple, taken=taken)
        open_tags -= spoken_for
        nacked |= set() if taken else {f"message {one}" for one in spoken_for}
        assert confirms.waiting.keys() == open_tags
        assert confirms.refused == nacked

    assert not confirms.waiting


@given(answered_batches(), st.booleans())
def test_a_second_answer_about_a_message_changes_nothing(batch, taken):
    first, count, answers = batch
    confirms = sent(first, count)
    for tag, multiple, was_taken, _ in answers:
        confirms.answer(tag, multiple=multiple, taken=was_taken)
    refused = set(confirms.refused)

    confirms.answer(first + count - 1, multiple=True, taken=taken)

    assert confirms.refused == refused


@given(FIRST)
def test_an_answer_about_others_is_no_answer_to_these(first):
    confirms = sent(first + 10, 3)

    confirms.answer(first + 9, multiple=True, taken=True)
    confirms.answer(first, multiple=False, taken=False)

    assert len(confirms.waiting) == 3
    assert confirms.refused == set()
