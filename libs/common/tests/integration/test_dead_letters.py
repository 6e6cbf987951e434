# SPDX-License-Identifier: Apache-2.0
"""Dead letters on the real broker: looked at without a loss, sent back without a second effect."""

import socket
import threading
from contextlib import contextmanager

import orjson
import pytest
from pika import BasicProperties

from common import subscriber
from common.amqp import BrokerUnavailable, Graveyard, Topology, graveyard
from common.amqp.topology import DEAD_EXCHANGE
from common.app import create_service
from common.contracts import SUBSCRIPTIONS, OrderPlaced, OrderRejected
from common.dead_letters import DeadLetters, dead_letter_routes
from common.problems import Unavailable
from common.settings import ServiceSettings
from common.subscriber import Subscriber
from common.testing import eventually, ever_within
from common.testing.leisure import visits_at_leisure
from support.proxy import Proxy

PLACED = "testing.order_placed"
REJECTED = "testing.order_rejected"


@pytest.fixture
def patience():
    """Seconds for a visit: what a busy machine takes is no fault of it."""
    return 60.0


@pytest.fixture
def at_leisure(patience):
    with visits_at_leisure(patience):
        yield


@pytest.fixture
def letters(amqp_url, topology, at_leisure):
    return DeadLetters(amqp_url, topology)


@pytest.fixture
def bury(broker, topology):
    """Puts bodies among the dead as the subscriber does, without the six attempts before."""

    def put(*bodies, queue=PLACED, **headers):
        headers = {
            "x-souk-attempt": 6,
            "x-souk-reason": "LookupError: nothing",
            "x-souk-died-at": "2026-11-20T12:00:00.000Z",
            **headers,
        }
        broker.channel.confirm_delivery()
        for body in bodies:
            broker.channel.basic_publish(
                DEAD_EXCHANGE,
                f"{queue}.dead",
                body,
                BasicProperties(headers=headers, correlation_id="c0", delivery_mode=2),
                mandatory=True,
            )

    return put


@pytest.fixture
def cable(amqp_url):
    """The way to the broker, with faults on demand."""
    made = Proxy.before(amqp_url)
    yield made
    made.close()


@pytest.fixture
def counting(shop, amqp_url, topology):
    """A subscriber that counts units by order; what ``bad`` names it can not handle."""

    class Counting:
        def __init__(self):
            self.bad = set()
            self.calls = []

        def on_order_placed(self, session, event, envelope):
            self.calls.append(event.order_id)
            if event.order_id in self.bad:
                raise LookupError(event.order_id)
            shop.add(session, event.order_id, event.items[0].quantity)

        def run(self, stop):
            handlers = {OrderPlaced: self.on_order_placed, OrderRejected: lambda *_: None}
            Subscriber(shop.database, amqp_url, topology, handlers).run(stop)

    return Counting()


def listed(letters, *, event_type=None, limit=100):
    return [one.handle for one in letters.list(event_type=event_type, limit=limit).items]


def answered(letters):
    """What is listed, or None where the broker gives no answer in time."""
    try:
        return listed(letters)
    except Unavailable:
        return None


def requeue(letters, *, ids=None, event_type=None, limit=100, dry_run=False):
    done = letters.requeue(ids=ids, event_type=event_type, limit=limit, dry_run=dry_run)
    return [letter.handle for letter in done.items], done.remaining


def refused(ask, letters):
    with pytest.raises(Unavailable):
        ask(letters)


def ids_of(told):
    return [str(one.id) for one in told]


def test_a_letter_tells_all_that_is_known_of_it(shop, letters, bury, events):
    event = events.placed("order-7")
    bury(event.to_json())

    found = letters.list(event_type=None, limit=10)

    assert found.total == 1
    assert found.items[0].model_dump() == {
        "id": str(event.id),
        "handle": str(event.id),
        "consumer": "testing",
        "event_type": "OrderPlaced",
        "subject": "order/order-7",
        "reason": "failed",
        "error": "LookupError: nothing",
        "attempts": 6,
        "died_at": "2026-11-20T12:00:00.000Z",
        "correlation_id": event.correlationid,
        "data": event.data,
    }


def test_looking_takes_nothing_and_keeps_the_order(letters, bury, events, broker):
    told = [events.placed(f"order-{number}") for number in range(20)]
    bury(*(one.to_json() for one in told))

    assert listed(letters, limit=3) == ids_of(told)[:3]
    assert [listed(letters) for _ in range(3)] == [ids_of(told)] * 3
    assert listed(letters, limit=7) == ids_of(told)[:7]
    assert letters.list(event_type=None, limit=3).total == 20
    assert broker.depth(f"{PLACED}.dead") == 20


def test_a_limit_and_a_type_hold_over_all_queues(letters, bury, events):
    placed = [events.placed() for _ in range(3)]
    rejected = [events.rejected() for _ in range(3)]
    bury(*(one.to_json() for one in placed))
    bury(*(one.to_json() for one in rejected), queue=REJECTED)

    assert listed(letters) == ids_of(placed + rejected)
    assert listed(letters, limit=4) == ids_of([*placed, rejected[0]])
    assert listed(letters, event_type="OrderRejected") == ids_of(rejected)
    assert listed(letters, event_type="ProductViewed") == []


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"\xff\xfe", b"[" * 10_000, b'{"id": 7}'])
def test_what_is_no_event_has_a_stable_handle_instead_of_an_id(letters, bury, body):
    bury(body, b"another")

    found, other = letters.list(event_type=None, limit=10).items

    assert (found.id, found.reason, found.data) == (None, "unreadable", None)
    assert (found.event_type, found.correlation_id) == ("OrderPlaced", "c0")
    assert listed(letters)[0] == found.handle != other.handle
    assert requeue(letters, ids=[found.handle]) == ([found.handle], 1)


def test_an_event_from_the_future_is_unreadable_but_tells_who_it_is(letters, bury, events):
    event = events.placed("order-7")
    bury(orjson.dumps(orjson.loads(event.to_json()) | {"dataschemaversion": "9"}))

    (found,) = letters.list(event_type=None, limit=10).items

    assert (found.id, found.reason) == (str(event.id), "unreadable")
    assert found.data == event.data


def test_a_large_letter_is_listed_without_its_data(letters, bury, events):
    event = events.rejected(reason="x" * 1_000_000)
    bury(event.to_json(), queue=REJECTED)

    (found,) = letters.list(event_type=None, limit=10).items

    assert (found.id, found.data) == (str(event.id), None)
    assert requeue(letters) == ([str(event.id)], 0)


def test_what_the_broker_itself_gave_up_says_so(letters, publish, events, broker):
    event = events.placed()
    publish(event)
    tag = eventually(lambda: broker.channel.basic_get(PLACED)[0]).delivery_tag
    broker.channel.basic_reject(tag, requeue=False)
    eventually(lambda: broker.depth(f"{PLACED}.dead") == 1)

    (found,) = letters.list(event_type=None, limit=10).items

    assert (found.reason, found.error, found.attempts) == ("rejected", None, 1)
    assert found.died_at.endswith("Z")


def test_headers_that_are_none_of_ours_stop_no_list(letters, bury, events):
    bury(events.placed().to_json(), **{"x-souk-reason": 7, "x-souk-died-at": 8, "x-death": []})

    (found,) = letters.list(event_type=None, limit=10).items

    assert (found.error, found.died_at) == (None, None)


def test_a_letter_that_is_sent_back_is_as_if_it_was_never_tried(letters, bury, events, broker):
    told = [events.placed(f"order-{number}") for number in range(3)]
    bury(*(one.to_json() for one in told))

    assert requeue(letters, ids=[str(told[1].id)]) == ([str(told[1].id)], 2)

    body, properties = eventually(lambda: broker.take(PLACED))
    assert body == told[1].to_json()
    assert (properties.headers or {}).keys() <= {"x-delivery-count"}
    assert not any((properties.headers or {}).values())
    assert (properties.correlation_id, properties.delivery_mode) == ("c0", 2)
    assert listed(letters) == ids_of([told[0], told[2]])


def test_many_are_sent_back_in_their_order_and_only_so_many(letters, bury, events, broker):
    told = [events.placed(f"order-{number}") for number in range(5)]
    other = events.rejected()
    bury(*(one.to_json() for one in told))
    bury(other.to_json(), queue=REJECTED)

    assert requeue(letters, limit=2, dry_run=True) == (ids_of(told)[:2], 6)
    assert listed(letters) == ids_of([*told, other])
    assert requeue(letters, limit=2) == (ids_of(told)[:2], 4)
    assert requeue(letters, event_type="OrderRejected") == ([str(other.id)], 0)
    assert requeue(letters) == (ids_of(told)[2:], 0)

    assert [eventually(lambda: broker.take(PLACED))[0] for _ in told] == [
        one.to_json() for one in told
    ]


def test_what_died_for_a_fault_that_was_mended_is_done_once(
    shop, letters, counting, publish, events, in_thread, broker, monkeypatch
):
    monkeypatch.setattr(subscriber, "MOST_ATTEMPTS", 2)
    event, later = events.placed("order-1", units=3), events.placed("last")
    counting.bad = {"order-1"}
    publish(event, event)

    with in_thread(counting.run):
        eventually(lambda: broker.depth(f"{PLACED}.dead") == 2)
        counting.bad = set()
        assert requeue(letters) == ([str(event.id)] * 2, 0)
        eventually(lambda: shop.value("order-1") == 3)
        publish(later, event)
        eventually(lambda: shop.value("last") == 1)
        eventually(lambda: broker.depth(PLACED) == 0)

    assert shop.value("order-1") == 3
    assert listed(letters) == []


def test_what_dies_again_at_once_is_not_sent_back_for_ever(
    letters, bury, counting, in_thread, broker
):
    bury(b"poison", b"venom")

    with in_thread(counting.run):
        sent, _ = requeue(letters)
        eventually(lambda: broker.depth(f"{PLACED}.dead") == 2)

    assert len(sent) == 2


# So long the visitor waits for the confirm that is lost.
@pytest.mark.parametrize("patience", [3.0])
def test_a_confirm_that_is_lost_makes_two_letters_and_one_effect(
    shop, amqp_url, cable, topology, letters, bury, counting, events, in_thread, broker
):
    event = events.placed("order-1", units=3)
    bury(event.to_json())
    cable.swallow_answer_to(event.to_json())

    with pytest.raises(Unavailable):
        requeue(DeadLetters(cable.url(amqp_url), topology))

    assert cable.swallowed == 1
    eventually(lambda: broker.depth(PLACED) == 1)
    eventually(lambda: broker.depth(f"{PLACED}.dead") == 1)
    assert requeue(letters) == ([str(event.id)], 0)
    eventually(lambda: broker.depth(PLACED) == 2)

    with in_thread(counting.run):
        eventually(lambda: shop.value("order-1") == 3)
        eventually(lambda: broker.depth(PLACED) == 0)

    assert (shop.value("order-1"), counting.calls) == (3, ["order-1"])


def test_a_letter_that_nobody_takes_stays(letters, bury, events, broker, topology):
    event = events.placed()
    bury(event.to_json())
    broker.channel.queue_unbind(PLACED, topology.exchange, PLACED)

    with pytest.raises(Unavailable):
        requeue(letters)

    assert listed(letters) == [str(event.id)]


def test_a_visitor_who_is_cut_off_leaves_everything_as_it_was(
    amqp_url, cable, topology, letters, bury, events, broker
):
    told = [events.placed(f"order-{number}") for number in range(5)]
    bury(*(one.to_json() for one in told))
    visitor = Graveyard(cable.url(amqp_url), topology, seconds=30)
    walk = visitor.walk(PLACED)
    assert [next(walk).body for _ in range(3)] == [one.to_json() for one in told[:3]]
    assert broker.depth(f"{PLACED}.dead") == 2

    cable.reset()

    with pytest.raises(BrokerUnavailable):
        visitor.release(PLACED)
    visitor.close()
    eventually(lambda: broker.depth(f"{PLACED}.dead") == 5)
    assert listed(letters) == ids_of(told)


@pytest.mark.usefixtures("at_leisure")
def test_visitors_come_one_after_the_other_and_each_sees_all(amqp_url, topology, bury, events):
    told = [events.placed(f"order-{number}") for number in range(10)]
    bury(*(one.to_json() for one in told))
    seen = []

    def look():
        seen.append(listed(DeadLetters(amqp_url, topology)))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen == [ids_of(told)] * 4


def test_a_visitor_who_stays_too_long_is_not_waited_for(amqp_url, topology):
    letters = DeadLetters(amqp_url, topology)
    with Graveyard(amqp_url, topology, seconds=30), pytest.raises(Unavailable):
        listed(letters)

    eventually(lambda: answered(letters) == [], what="its turn")


def looks_until_it_is_gone(broker, queue, most):
    for look in range(most):
        method, *_ = broker.channel.basic_get(queue)
        if method is None:
            return look
        broker.channel.basic_nack(method.delivery_tag, requeue=True)
    return most


@pytest.mark.usefixtures("at_leisure")
def test_a_letter_survives_more_looks_than_the_broker_allows(
    amqp_url, fresh_queues, events, broker, monkeypatch, bury
):
    """The broker drops what came back too often; a fresh copy has never come back."""

    class Fragile(Topology):
        def queues(self):
            for queue in super().queues():
                queue.arguments["x-delivery-limit"] = 6
                yield queue

    topology = Fragile(service="testing", events=(OrderPlaced, OrderRejected))
    fresh_queues(topology)
    monkeypatch.setattr(graveyard, "WORN_AFTER", 3)
    told = [events.placed(f"order-{number}") for number in range(3)]
    bury(*(one.to_json() for one in told))
    letters = DeadLetters(amqp_url, topology)

    assert [listed(letters) for _ in range(20)] == [ids_of(told)] * 20
    found = letters.list(event_type=None, limit=1).items[0]
    assert (found.attempts, found.error) == (6, "LookupError: nothing")


def test_without_fresh_copies_looking_would_lose_letters(
    fresh_queues, topology, bury, events, broker
):
    """The control, on brokers that count a nack as a delivery: all before 4.3."""
    name = f"{PLACED}.dead"
    broker.channel.queue_delete(name)
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": 6}
    broker.channel.queue_declare(name, durable=True, arguments=arguments)
    broker.channel.queue_bind(name, DEAD_EXCHANGE, name)
    bury(events.placed().to_json())

    gone_after = looks_until_it_is_gone(broker, name, most=20)

    version = broker.channel.connection._impl.server_properties["version"]
    counts_nacks = tuple(map(int, version.split(".")[:2])) < (4, 3)
    assert gone_after == (7 if counts_nacks else 20)


@pytest.mark.usefixtures("at_leisure")
def test_a_service_that_never_ran_has_no_dead_letters(amqp_url):
    nobody = DeadLetters(amqp_url, Topology(service="nobody", events=(OrderPlaced, OrderRejected)))

    assert listed(nobody) == []
    assert requeue(nobody) == ([], 0)


@contextmanager
def deaf_port():
    """Somebody who takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_broker_that_is_gone_or_deaf_is_told_within_three_seconds(topology):
    with deaf_port() as deaf:
        for port in (1, deaf):
            away = DeadLetters(f"amqp://x:x@127.0.0.1:{port}/souk", topology)
            assert ever_within(2, lambda away=away: refused(listed, away))
            assert ever_within(2, lambda away=away: refused(requeue, away))


def test_a_broker_that_falls_silent_is_told_in_time_and_heals(
    amqp_url, cable, topology, bury, events
):
    event = events.placed()
    bury(event.to_json())
    letters = DeadLetters(cable.url(amqp_url), topology)
    assert eventually(lambda: answered(letters)) == [str(event.id)]

    cable.stall()
    assert ever_within(3 * 2, lambda: [refused(listed, letters) for _ in range(3)])
    cable.heal()

    assert eventually(lambda: answered(letters)) == [str(event.id)]


@pytest.fixture
def catalog(database, service_settings, token_factory, fresh_queues, at_leisure):
    """A service with the routes, and with a letter for each of its queues when asked."""
    fresh_queues(Topology(service="catalog", events=SUBSCRIPTIONS["catalog"]))
    config = service_settings(ServiceSettings, database=database)
    guard = token_factory.guard("catalog")
    routes = [dead_letter_routes("catalog", config)]
    app = create_service("catalog", config, routes, database=database, guard=guard)
    with app.test_client() as client:
        yield client


PATH = "/internal/dead-letters"


def test_a_service_tells_another_and_sends_back_what_it_is_told_to(
    catalog, token_factory, bury, events
):
    event = events.placed("order-7")
    bury(event.to_json(), queue="catalog.order_placed")
    bury(b"{", queue="catalog.order_rejected")
    headers = token_factory.service_bearer("analytics")

    listing = catalog.get(PATH, headers=headers).get_json()
    tried = catalog.post(PATH, headers=headers, json={"dry_run": True}).get_json()
    wanted = {"ids": [str(event.id)], "event_type": "OrderPlaced"}
    done = catalog.post(PATH, headers=headers, json=wanted).get_json()
    left = catalog.get(f"{PATH}?type=OrderRejected&limit=1", headers=headers).get_json()

    assert [one["id"] for one in listing["items"]] == [str(event.id), None]
    assert (listing["total"], tried["remaining"], done["remaining"]) == (2, 2, 0)
    assert tried["items"] == listing["items"]
    assert done["items"] == listing["items"][:1]
    assert left == {"items": listing["items"][1:], "total": 1}


@pytest.mark.parametrize("role", [None, "user", "admin"])
def test_nobody_but_a_service_may_ask_a_service(catalog, token_factory, role):
    headers = token_factory.bearer(1, "ada", role) if role else {}

    assert catalog.get(PATH, headers=headers).status_code == 401
    assert catalog.post(PATH, headers=headers, json={}).status_code == 401


def test_a_service_without_a_broker_says_so(database, service_settings, token_factory):
    config = service_settings(
        ServiceSettings, database=database, amqp_url="amqp://x:x@127.0.0.1:1/souk"
    )
    guard = token_factory.guard("catalog")
    routes = [dead_letter_routes("catalog", config)]
    app = create_service("catalog", config, routes, database=database, guard=guard)
    headers = token_factory.service_bearer("analytics")

    with app.test_client() as client:
        answer = client.get(PATH, headers=headers)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
