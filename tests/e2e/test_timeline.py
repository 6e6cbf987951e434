# SPDX-License-Identifier: Apache-2.0
"""An order's story from its request to its mail, the log replayed to everybody, and its chain."""

import re
from datetime import UTC, datetime

import pytest
import requests

from common.testing import eventually
from support.databases import schema_of
from support.shop import is_late

DONE = re.compile('outcome="(done|duplicate)"')
CONSUMERS = ("analytics", "catalog", "notifier", "orders")


@pytest.fixture(scope="module")
def admin(shop):
    return shop.admin()


@pytest.fixture
def lamp(shop, admin):
    return shop.product(admin, "Told lamp", price="3.00", quantity=9)


def buy(person, product, units=2):
    answer = person.order({"items": [{"product": product["id"], "quantity": units}]})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], answer.headers["X-Request-Id"]


def story(reader, order_id, *kinds):
    """The order's timeline, once it holds things of these kinds and its mails are on their way."""

    def complete():
        answer = reader.get(f"/v1/orders/{order_id}/timeline")
        items = answer.json().get("items", [])
        is_mailed = all("(sent)" in item["summary"] for item in items if item["type"] == "Mail")
        return items if sorted(kinds) == sorted(i["type"] for i in items) and is_mailed else None

    return eventually(complete, seconds=20, what=f"the story of {kinds}")


def test_a_customer_is_told_the_story_of_an_order_from_its_request_to_its_mail(shop, lamp):
    ada = shop.sign_up()
    order_id, request_id = buy(ada, lamp)

    items = story(ada, order_id, "OrderPlaced", "StockChanged", "Mail")

    placed = items[0]
    assert placed["type"] == "OrderPlaced"
    assert placed["summary"] == "Placed: 2 × Told lamp; 6.00 USD"
    assert (placed["actor"], placed["causation_id"]) == (f"user/{ada.id}", None)
    assert {item["correlation_id"] for item in items} == {request_id}
    assert {item["causation_id"] for item in items[1:]} == {placed["event_id"]}


def test_a_cancelled_orders_story_goes_on(shop, admin, lamp):
    ada = shop.sign_up()
    order_id, _ = buy(ada, lamp)
    story(ada, order_id, "OrderPlaced", "StockChanged", "Mail")
    assert ada.post(f"/v1/orders/{order_id}/cancel").status_code == 200

    kinds = [*("OrderPlaced", "StockChanged", "Mail"), *("OrderCancelled", "StockChanged", "Mail")]
    items = story(ada, order_id, *kinds)

    types = [item["type"] for item in items]
    assert types[0] == "OrderPlaced"
    assert types.index("OrderCancelled") == 3
    assert [item["event_id"] for item in story(admin, order_id, *kinds)] == [
        item["event_id"] for item in items
    ]


def test_somebody_elses_order_has_no_story(shop, lamp):
    ada, eve = shop.sign_up("ada"), shop.sign_up("eve")
    order_id, _ = buy(ada, lamp)
    story(ada, order_id, "OrderPlaced", "StockChanged", "Mail")

    assert eve.get(f"/v1/orders/{order_id}/timeline").status_code == 404
    assert shop.visitor().get(f"/v1/orders/{order_id}/timeline").status_code == 401


def broken_rules(admin):
    answer = admin.get("/v1/audit/invariants")
    assert answer.status_code == 200, answer.text
    return {
        one["name"]: [violation["subject"] for violation in one["violations"]]
        for one in answer.json()["checks"]
        if not one["ok"]
    }


def handled(stack, service):
    """How many events a worker has handled, new ones and duplicates, by its own metric."""
    port = getattr(stack.ports, f"{service}_worker")
    metrics = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text.splitlines()
    counts = [line for line in metrics if line.startswith("souk_events_handled_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in counts if DONE.search(line))


def replayed(admin, wanted):
    """The answer to a replay; what a stall has refused is asked once more."""
    for _ in range(2):
        answer = admin.post("/v1/events/replay", wanted | {"dry_run": False})
        if not is_late(answer):
            break
    return answer


def test_the_log_replayed_to_everybody_twice_changes_nothing(shop, stack, admin, lamp):
    began = datetime.now(UTC)
    ada = shop.sign_up()
    stands, _ = buy(ada, lamp)
    gone, _ = buy(ada, lamp, units=1)
    # Sold first: a cancellation that catalog hears of before the sale changes no stock.
    story(ada, gone, "OrderPlaced", "StockChanged", "Mail")
    assert ada.post(f"/v1/orders/{gone}/cancel").status_code == 200
    story(ada, stands, "OrderPlaced", "StockChanged", "Mail")
    twice = ["OrderPlaced", "StockChanged", "Mail", "OrderCancelled", "StockChanged", "Mail"]
    story(ada, gone, *twice)
    # What other tests told is no business of this one: its stretch must fit into one call.
    stretch = {"from": began.isoformat(), "to": datetime.now(UTC).isoformat()}

    def state():
        ledger = admin.get(f"/v1/products/{lamp['id']}/stock/ledger").json()["items"]
        numbers = admin.get(f"/v1/analytics/products/{lamp['id']}").json()["totals"]
        with schema_of(stack, "notifier") as cursor:
            cursor.execute("SELECT COUNT(*) FROM notices")
            return ledger, numbers, cursor.fetchone()

    before, expected = state(), {}
    for consumer in CONSUMERS * 2:
        expected.setdefault(consumer, handled(stack, consumer))
        wanted = stretch | {"consumer": consumer}
        counted = admin.post("/v1/events/replay", wanted).json()
        sent = replayed(admin, wanted)
        assert sent.status_code == 200, sent.text
        assert sent.json() == counted | {"dry_run": False}
        assert counted["events"] > 0
        expected[consumer] += counted["events"]
    eventually(
        lambda: all(handled(stack, one) >= count for one, count in expected.items()),
        seconds=30,
        what="everything replayed is handled",
    )

    assert state() == before
    assert broken_rules(admin) == {}


def test_an_event_that_was_changed_by_hand_is_found_in_the_chain(shop, stack, admin, lamp):
    ada = shop.sign_up()
    order_id, _ = buy(ada, lamp)
    story(ada, order_id, "OrderPlaced", "StockChanged", "Mail")
    of_order = f"WHERE subject = 'order/{order_id}' AND type = 'OrderPlaced'"

    def place():
        with schema_of(stack, "analytics") as cursor:
            cursor.execute(f"SELECT position, actor FROM event_log {of_order}")
            position, actor = cursor.fetchone()
            return (position, actor) if position else None

    position, actor = eventually(place, what="the order's place in the chain")
    with schema_of(stack, "analytics") as cursor:
        cursor.execute(f"UPDATE event_log SET actor = 'user/0' {of_order}")
        try:
            found = broken_rules(admin)
        finally:
            cursor.execute(f"UPDATE event_log SET actor = '{actor}' {of_order}")

    assert found == {"analytics.log_is_unbroken": [f"event_log/{position}"]}
    assert broken_rules(admin) == {}


def test_only_admins_may_replay(shop):
    wanted = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "consumer": "catalog"}

    assert shop.sign_up().post("/v1/events/replay", wanted).status_code == 403
    assert shop.visitor().post("/v1/events/replay", wanted).status_code == 401
