# SPDX-License-Identifier: Apache-2.0
"""Dead letters through the gateway: what a service can't read dies, is seen, and is sent back."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from pika import BasicProperties
from pika.exceptions import UnroutableError

from common.amqp import queue_name
from common.amqp.connection import connect
from common.amqp.topology import DEAD_EXCHANGE
from common.clock import rfc3339
from common.contracts import OrderPlaced
from common.events import Envelope
from common.testing import eventually
from support.databases import schema_of

PATH = "/v1/dead-letters"
CONSUMER = "analytics"
QUEUE = queue_name(CONSUMER, OrderPlaced.type())


@pytest.fixture(scope="module")
def admin(shop):
    return shop.admin()


@pytest.fixture
def channel(stack):
    """The broker as analytics' own user has it; the dead are gone at the end."""
    connection = connect(stack.environments.rabbitmq.url(CONSUMER), "tests")
    channel = connection.channel()
    channel.confirm_delivery()
    yield channel
    channel.queue_purge(f"{QUEUE}.dead")
    connection.close()


@pytest.fixture
def die(admin, channel):
    """Sends analytics' worker what it can't read; gives the letter that becomes of it."""

    def send():
        name = uuid4().hex
        properties = BasicProperties(correlation_id=name, delivery_mode=2)
        body = f"poison {name}".encode()

        def is_taken():
            try:
                channel.basic_publish(f"{CONSUMER}.direct", QUEUE, body, properties, mandatory=True)
            except UnroutableError:
                return False
            return True

        # The worker binds its queues while a new stack is already answering.
        eventually(is_taken, seconds=30, what="the worker's queue")
        return eventually(lambda: letter_of(admin, name), seconds=20, what="the letter")

    return send


@pytest.fixture
def bury(channel):
    """Puts an order that was placed among the dead, as if its six attempts had failed."""

    def put():
        event = OrderPlaced(order_id=str(uuid4()), customer_id=0, items=[], total=0, currency="USD")
        envelope = Envelope.seal(event, aggregate_version=2)
        headers = {
            "x-souk-attempt": 6,
            "x-souk-reason": "LookupError: nothing",
            "x-souk-died-at": rfc3339(datetime.now(UTC)),
        }
        properties = BasicProperties(headers=headers, delivery_mode=2)
        body = envelope.to_json()
        channel.basic_publish(DEAD_EXCHANGE, f"{QUEUE}.dead", body, properties, mandatory=True)
        return envelope

    return put


def heard(ask):
    """The first answer in which everybody had a say: a busy service may have none for a second."""

    def answer():
        said = ask()
        assert said.status_code in {200, 503}, said.text
        return said.json() if said.ok and not said.json()["unavailable"] else None

    return eventually(answer, seconds=20, what="a word on the dead letters")


def letters(person):
    path = f"{PATH}?consumer={CONSUMER}&type=OrderPlaced&limit=200"
    return heard(lambda: person.get(path))["items"]


def letter_of(person, correlation_id):
    found = [one for one in letters(person) if one["correlation_id"] == correlation_id]
    return found[0] if found else None


def requeue(person, *handles, dry_run=False):
    wanted = {"consumer": CONSUMER, "ids": list(handles), "dry_run": dry_run}
    tries = []

    def ask():
        tries.append(1)
        return person.post(f"{PATH}/requeue", wanted)

    answer = heard(ask)
    assert answer["dry_run"] is dry_run
    sent = [one["handle"] for one in answer["items"]]
    if len(tries) > 1 and not dry_run:
        # One that nobody heard the answer of may have sent some.
        assert set(sent) <= set(handles)
        return list(handles)
    return sent


def test_a_message_that_nobody_can_read_is_kept_with_its_reason(die):
    letter = die()

    assert (letter["consumer"], letter["event_type"]) == (CONSUMER, "OrderPlaced")
    assert (letter["reason"], letter["id"], letter["data"]) == ("unreadable", None, None)


def test_a_dry_run_says_what_would_go_and_leaves_it(admin, die):
    letter = die()

    assert requeue(admin, letter["handle"], dry_run=True) == [letter["handle"]]

    assert letter_of(admin, letter["correlation_id"]) == letter


def test_one_letter_is_sent_back_tried_again_and_the_others_stay(admin, die):
    mine, other = die(), die()

    assert requeue(admin, mine["handle"]) == [mine["handle"]]

    # Nobody has learned to read it: it dies anew, and later than before.
    again = eventually(lambda: letter_of(admin, mine["correlation_id"]), seconds=20)
    assert again["died_at"] > mine["died_at"]
    assert letter_of(admin, other["correlation_id"]) == other


def test_many_letters_are_sent_back_and_now_have_their_effect(stack, admin, bury):
    told = {str(bury().id) for _ in range(3)}
    eventually(lambda: told <= {one["id"] for one in letters(admin)}, seconds=20)

    assert set(requeue(admin, *told)) == told

    def are_logged():
        with schema_of(stack, CONSUMER) as cursor:
            cursor.execute("SELECT LOWER(HEX(event_id)) FROM event_log")
            return {event_id.replace("-", "") for event_id in told} <= {
                row[0] for row in cursor.fetchall()
            }

    eventually(are_logged, seconds=20, what="the events in the log")
    assert told.isdisjoint(one["id"] for one in letters(admin))


def test_only_admins_look_and_send_back(shop):
    customer, stranger = shop.sign_up(), shop.visitor()

    for person, status in ((customer, 403), (stranger, 401)):
        assert person.get(PATH).status_code == status
        assert person.post(f"{PATH}/requeue", {"dry_run": True}).status_code == status
