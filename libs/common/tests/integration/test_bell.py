# SPDX-License-Identifier: Apache-2.0
"""The bell wakes a relay that would sleep on; the relay does not need it."""

import threading
from functools import partial
from select import select as readable

import pytest
from sqlalchemy import select

from common import outbox
from common.amqp import Publisher
from common.bell import Bell, ring
from common.db import Database
from common.outbox import outbox_messages
from common.question import Question
from common.relay import ALERT_SECONDS, BATCH, BUSY_SECONDS, IDLE_SECONDS, PART, Relay
from common.testing import eventually
from common.testing.counting import counting


@pytest.fixture
def bell():
    made = Bell("127.0.0.1", 0)
    yield made
    made.close()


@pytest.fixture
def ringing(schema_url, bell):
    """The schema as a process sees it that rings."""
    database = Database(schema_url, on_told=partial(ring, *bell.socket.getsockname()))
    yield database
    database.dispose()


@pytest.fixture
def asked(monkeypatch):
    """How often a relay has asked, which is told each time that there is nothing."""
    answers = []
    monkeypatch.setattr(Question, "ask", lambda _question: answers.append(False))
    return answers


class Rests:
    """A broker that takes everything; while the relay rests, it does what the test wants."""

    def __init__(self, *actions):
        self._actions = list(actions)
        self.seconds = []
        self.stop = threading.Event()

    def connect(self): ...
    def close(self): ...
    def send(self, _messages, _exchange): ...

    def confirmed(self):
        return set()

    def wait(self, seconds, *, source=None):
        self.seconds.append(seconds)
        if source is None:
            return False
        if self._actions:
            self._actions.pop(0)()
        else:
            self.stop.set()
        return bool(readable([source], [], [], 0)[0])


def rings(bell):
    try:
        return bool(bell.socket.recv(1))
    except BlockingIOError:
        return False


def waiting(database):
    return database.read(lambda session: session.execute(select(outbox_messages.c.seq)).all())


def tell(database, envelope):
    database.run(lambda session: outbox.append_all(session, [envelope]))


def test_it_rings_after_the_commit_and_once_for_many_events(database, ringing, bell, events):
    def tell_three(session):
        outbox.append_all(session, [events.placed("a"), events.placed("b")])
        outbox.append_all(session, [events.placed("c")])
        session.flush()
        assert not rings(bell), "nobody sees them yet"

    ringing.run(tell_three)

    assert rings(bell)
    assert not rings(bell)


def test_it_does_not_ring_for_what_was_taken_back_or_tells_nothing(database, ringing, bell, events):
    def change_its_mind(session):
        outbox.append_all(session, [events.placed("never")])
        raise LookupError

    with pytest.raises(LookupError):
        ringing.run(change_its_mind)
    ringing.run(lambda session: outbox.append_all(session, []))
    ringing.read(outbox.backlog)

    assert not rings(bell)


def test_a_ring_that_nobody_hears_is_no_error(bell):
    nobody = bell.socket.getsockname()
    bell.close()

    for _ in range(3):
        ring(*nobody)


def test_a_second_worker_on_the_port_hears_nothing_and_works(bell):
    second = Bell(*bell.socket.getsockname())

    second.hush()
    second.close()


def test_a_ring_wakes_a_relay_that_sees_nothing_by_itself(
    database, ringing, topology, amqp_url, bell, in_thread, events, asked
):
    with in_thread(Relay(database, Publisher(amqp_url, "relay"), bell).run) as failures:
        eventually(lambda: asked, what="an idle relay")
        tell(database, events.placed("unheard"))
        before = len(asked)
        eventually(lambda: len(asked) > before + 2, what="three rounds")
        assert len(waiting(database)) == 1, "the control: it was not told by something else"

        tell(ringing, events.placed("heard"))

        eventually(lambda: waiting(database) == [])
    assert failures == []


def test_who_hears_the_bell_looks_seldom_and_who_does_not_looks_often(
    database, ringing, bell, events
):
    nothing = [lambda: None] * 9
    rests = Rests(
        *nothing,
        lambda: tell(ringing, events.placed("announced")),
        *nothing,
        lambda: tell(database, events.placed("found")),
        *nothing,
    )
    Relay(database, rests, bell).run(rests.stop)

    assert waiting(database) == []
    moved = [number for number, seconds in enumerate(rests.seconds) if seconds == BUSY_SECONDS]
    ends = [rests.seconds[number - 1] for number in moved] + rests.seconds[-1:]
    assert ends == [ALERT_SECONDS, IDLE_SECONDS, ALERT_SECONDS]


def test_a_ring_too_many_costs_one_look_and_a_rest(database, bell):
    rests = Rests(*[partial(ring, *bell.socket.getsockname())] * 3)

    with counting(database) as asked:
        Relay(database, rests, bell).run(rests.stop)

    assert asked.commits == 4, "one look at the start, and one for each ring"


def test_an_idle_relay_asks_one_question_a_round_and_commits_nothing(database, bell):
    rests = Rests(*[lambda: None] * 30)

    with counting(database) as asked:
        Relay(database, rests, bell).run(rests.stop)

    first = asked.statements.index(outbox.IS_WAITED_FOR)
    assert asked.statements[first : first + 30] == [outbox.IS_WAITED_FOR] * 30
    assert asked.commits == 1, "the claim at the start"
    assert rests.seconds[-10:] == [ALERT_SECONDS] * 10


@pytest.mark.parametrize(("count", "claims"), [(1, 1), (PART, 2), (BATCH, BATCH // PART)])
def test_a_batch_costs_its_claims_one_delete_and_one_commit(database, events, bell, count, claims):
    told = [events.placed(f"order-{number}") for number in range(count)]
    database.run(lambda session: outbox.append_all(session, told))

    with counting(database) as asked:
        assert Relay(database, Rests(), bell).run_once() == count

    assert (len(asked.statements), asked.commits) == (claims + 1, 1)
    assert waiting(database) == []
