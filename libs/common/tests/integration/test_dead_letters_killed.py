# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the broker under a visitor, who has a service's own rights: every letter is kept."""

import threading
from contextlib import suppress

import pytest
from pika import BasicProperties

from common.amqp import BrokerUnavailable, Graveyard, Topology
from common.amqp.connection import connect
from common.amqp.topology import DEAD_EXCHANGE
from common.contracts import SUBSCRIPTIONS
from common.dead_letters import DeadLetters
from common.problems import Unavailable
from common.testing import eventually
from souk_local.private_servers import PrivateServers

pytestmark = pytest.mark.slow

TOPOLOGY = Topology(service="catalog", events=SUBSCRIPTIONS["catalog"])
QUEUE = "catalog.order_placed"


@pytest.fixture(scope="module")
def servers_to_kill(tmp_path_factory):
    started = PrivateServers.start(tmp_path_factory.mktemp("servers"), users=["catalog"])
    yield started
    started.stop()


@pytest.fixture
def url(servers_to_kill):
    """The broker for catalog, which may touch only what is its own; with its queues, empty."""
    made = servers_to_kill.rabbitmq.url("catalog")
    TOPOLOGY.declare(made)
    # RabbitMQ 3.10 writes the list of its quorum queues half a second late; a queue that is not
    # in it when the broker dies never comes back, whatever its own log holds.
    home = servers_to_kill.rabbitmq.directory
    lists = next(home.glob("mnesia/*/quorum/*/names.dets"))
    names = [queue.name.encode() for queue in TOPOLOGY.queues()]
    eventually(lambda: all(name in lists.read_bytes() for name in names))
    connection = connect(made, "tests")
    for name in (QUEUE, f"{QUEUE}.dead"):
        connection.channel().queue_purge(name)
    connection.close()
    return made


@pytest.fixture
def kill(servers_to_kill):
    """Kills the broker, and starts it again when the test says so."""

    def kill_broker():
        servers_to_kill.processes["rabbitmq"].kill()
        return lambda: servers_to_kill.restart("rabbitmq")

    return kill_broker


@pytest.fixture
def letters(events):
    return [events.placed(f"order-{number}") for number in range(300)]


@pytest.fixture
def bury(url):
    def put(letters):
        connection = connect(url, "tests")
        channel = connection.channel()
        channel.confirm_delivery()
        for letter in letters:
            channel.basic_publish(
                DEAD_EXCHANGE,
                f"{QUEUE}.dead",
                letter.to_json(),
                BasicProperties(delivery_mode=2),
                mandatory=True,
            )
        connection.close()

    return put


def bodies_in(url, queue):
    connection = connect(url, "tests")
    channel = connection.channel()
    found = []
    while (taken := channel.basic_get(queue))[0] is not None:
        found.append(taken[2])
    connection.close()
    return found


def complete(url, everything):
    """The bodies at work and among the dead once each is somewhere."""
    work, dead = bodies_in(url, QUEUE), bodies_in(url, f"{QUEUE}.dead")
    return (work, dead) if {*work, *dead} >= everything else None


def answered(question):
    """What *question* says once the broker is back."""

    def ask():
        try:
            return question()
        except (Unavailable, BrokerUnavailable):
            return None

    return eventually(ask, seconds=60)


def test_a_broker_that_is_killed_while_letters_are_held_has_them_all(url, kill, letters, bury):
    told = letters[:50]
    bury(told)
    visitor = Graveyard(url, TOPOLOGY, seconds=30)
    walk = visitor.walk(QUEUE)
    assert len([next(walk) for _ in range(30)]) == 30

    restart = kill()
    with pytest.raises(BrokerUnavailable):
        visitor.release(QUEUE)
    visitor.close()
    restart()

    # What was held comes back when the broker has noticed that its holder is gone, and so perhaps
    # behind the others.
    ids = [str(one.id) for one in told]
    seen = DeadLetters(url, TOPOLOGY)

    def everything():
        found = seen.list(event_type=None, limit=100)
        return found.items if found.total == len(found.items) == len(told) else None

    assert sorted(one.id for one in answered(everything)) == sorted(ids)


def test_a_broker_that_is_killed_under_a_requeue_loses_no_letter(url, kill, letters, bury):
    bury(letters)
    sent, killed = [], threading.Event()

    def send_back():
        with (
            suppress(BrokerUnavailable),
            Graveyard(url, TOPOLOGY, seconds=30) as visitor,
        ):
            for letter in list(visitor.walk(QUEUE)):
                if len(sent) == len(letters) - 50:
                    killed.wait(60)  # however late the kill comes, it comes in the middle
                visitor.send_back(letter)
                sent.append(letter.body)

    thread = threading.Thread(target=send_back)
    thread.start()
    eventually(lambda: len(sent) > 20, seconds=30)
    restart = kill()
    killed.set()
    thread.join(timeout=60)
    restart()

    assert 20 < len(sent) < len(letters), "it was killed in the middle"
    everything = {one.to_json() for one in letters}
    work, dead = answered(lambda: complete(url, everything))
    assert set(sent) <= set(work)
    assert len(work) + len(dead) <= len(letters) + 1
