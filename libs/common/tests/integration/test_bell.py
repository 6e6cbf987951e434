# SPDX-License-Identifier: Apache-2.0
"""The bell wakes a relay that would sleep on; the relay does not need it."""

import threading
from functools import partial

import pytest
from sqlalchemy import select

from common import outbox, relay
from common.amqp import Publisher
from common.bell import Bell, ring
from common.db import Database
from common.outbox import outbox_messages
from common.question import Question
from common.relay import ALERT_SECONDS, BATCH, IDLE_SECONDS, PART, Relay
from common.testing import eventually
from common.testing.counting import counting


@pytest.fixture
def ringing_at(schema_url):
    """The schema as a process sees it that rings this bell."""
    made = []

    def make(bell):
        made.append(Database(schema_url, on_told=partial(ring, *bell.socket.getsockname())))
        return made[-1]

    yield make
    for database in made:
        database.dispose()


@pytest.fixture
def ringing(ringing_at, bell):
    return ringing_at(bell)


@pytest.fixture
def asked(monkeypatch):
    """How often a relay has asked, which is told each time that there is nothing."""
    answers = []
    monkeypatch.setattr(Question, "ask", lambda _question: answers.append(False))
    return answers


class Broker:
    """Takes everything."""

    def connect(self): ...
    def close(self): ...
    def keep_alive(self): ...
    def send(self, _messages, _exchange): ...

    def confirmed(self):
        return set()


class Rests(Bell):
    """A bell that does what the test wants while the relay waits for it, and does not let it wait.

    Attributes:
        seconds: How long the relay would have waited each time.
    """

    def __init__(self):
        super().__init__("127.0.0.1", 0)
        self.seconds = []
        self.stop = threading.Event()

    def fill(self, *actions):
        self._actions = list(actions)

    def wait(self, seconds):
        self.seconds.append(seconds)
        if self._actions:
            self._actions.pop(0)()
        else:
            self.stop.set()
        return super().wait(0)


@pytest.fixture
def bell():
    made = Rests()
    yield made
    made.close()


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

    ring(*bell.socket.getsockname())

    assert rings(bell)
    assert not rings(second)
    second.hush()
    second.close()


def test_a_ring_wakes_a_relay_that_sees_nothing_by_itself(
    database, ringing_at, topology, amqp_url, in_thread, events, asked
):
    bell = Bell("127.0.0.1", 0)
    ringing = ringing_at(bell)
    with in_thread(Relay(database, Publisher(amqp_url, "relay"), bell).run) as failures:
        eventually(lambda: asked, what="an idle relay")
        tell(database, events.placed("unheard"))
        before = len(asked)
        eventually(lambda: len(asked) > before + 2, what="three rounds")
        assert len(waiting(database)) == 1, "the control: it was not told by something else"

        tell(ringing, events.placed("heard"))

        eventually(lambda: waiting(database) == [])
    assert failures == []


@pytest.mark.parametrize(
    ("distrust", "afterwards"), [(relay.DISTRUST_SECONDS, ALERT_SECONDS), (0, IDLE_SECONDS)]
)
def test_a_relay_looks_often_for_some_time_after_an_event_that_no_bell_announced(
    database, ringing, bell, events, monkeypatch, distrust, afterwards
):
    monkeypatch.setattr(relay, "DISTRUST_SECONDS", distrust)
    nothing = [lambda: None] * 9
    bell.fill(
        *nothing,
        lambda: tell(ringing, events.placed("announced")),
        *nothing,
        lambda: tell(database, events.placed("found")),
        *nothing,
        lambda: tell(ringing, events.placed("announced again")),
        *nothing,
    )
    Relay(database, Broker(), bell).run(bell.stop)

    assert waiting(database) == []
    assert [bell.seconds[number] for number in (8, 18)] == [IDLE_SECONDS] * 2
    assert [bell.seconds[number] for number in (28, 38)] == [afterwards] * 2


def test_a_ring_that_comes_after_its_event_was_seen_counts(database, ringing, bell, events):
    class Slow(Broker):
        def confirmed(self):
            ring(*bell.socket.getsockname())
            return set()

    nothing = [lambda: None] * 9
    bell.fill(*nothing, lambda: tell(database, events.placed("seen early")), *nothing)
    Relay(database, Slow(), bell).run(bell.stop)

    assert waiting(database) == []
    assert bell.seconds[18] == IDLE_SECONDS


@pytest.mark.parametrize(("late", "afterwards"), [(3600, IDLE_SECONDS), (0, ALERT_SECONDS)])
def test_a_ring_that_comes_late_announces_what_was_found_before_it(
    database, bell, events, monkeypatch, late, afterwards
):
    monkeypatch.setattr(relay, "LATE_SECONDS", late)
    bell.fill(
        lambda: tell(database, events.placed("found first")),
        partial(ring, *bell.socket.getsockname()),
        *[lambda: None] * 9,
    )
    Relay(database, Broker(), bell).run(bell.stop)

    assert waiting(database) == []
    assert bell.seconds[-1] == afterwards


def test_a_ring_too_many_costs_one_look_and_a_rest(database, bell):
    bell.fill(*[partial(ring, *bell.socket.getsockname())] * 3)

    with counting(database) as asked:
        Relay(database, Broker(), bell).run(bell.stop)

    assert asked.commits == 4, "one look at the start, and one for each ring"


def test_an_idle_relay_asks_one_question_a_round_and_commits_nothing(database, bell):
    bell.fill(*[lambda: None] * 30)

    with counting(database) as asked:
        Relay(database, Broker(), bell).run(bell.stop)

    first = asked.statements.index(outbox.IS_WAITED_FOR)
    assert asked.statements[first : first + 30] == [outbox.IS_WAITED_FOR] * 30
    assert asked.commits == 1, "the claim at the start"
    assert bell.seconds[-10:] == [IDLE_SECONDS] * 10


@pytest.mark.parametrize(("count", "claims"), [(1, 1), (PART, 2), (BATCH, BATCH // PART)])
def test_a_batch_costs_its_claims_one_delete_and_one_commit(database, events, bell, count, claims):
    told = [events.placed(f"order-{number}") for number in range(count)]
    database.run(lambda session: outbox.append_all(session, told))

    with counting(database) as asked:
        assert Relay(database, Broker(), bell).run_once() == count

    assert (len(asked.statements), asked.commits) == (claims + 1, 1)
    assert waiting(database) == []
