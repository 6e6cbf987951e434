# SPDX-License-Identifier: Apache-2.0
"""Orders that were placed at the same time leave the shelf in one transaction, each in its name."""

from collections import Counter
from uuid import UUID, uuid4

import orjson
import pytest
from sqlalchemy import select

from catalog.commands.reservations import (
    Wish,
    cancel_reservation,
    release_reservation,
    sell_reservations,
)
from catalog.errors import ReservationMissing
from catalog.handlers import BATCH_HANDLERS, HANDLERS, on_orders_placed
from catalog.models import LedgerEntry, Reservation, Stock
from common.amqp import Topology
from common.context import Trace, traced
from common.contracts import SUBSCRIPTIONS, OrderPlaced
from common.events import Envelope
from common.outbox import outbox_messages
from common.testing import eventually
from common.testing.afterlife import afterlife
from common.testing.counting import counting
from support.reserving import reserve_one, sell_one

TOPOLOGY = Topology(service="catalog", events=SUBSCRIPTIONS["catalog"])


@pytest.fixture
def place(database):
    """An order that holds these lines, and the news that it stands."""

    def place_it(lines, *, reserved=True, number=0):
        order_id = uuid4()
        if reserved:
            reserve_one(database, order_id=order_id, wish=Wish(lines=lines, prices={}, total=None))
        event = OrderPlaced(
            order_id=str(order_id), customer_id=5, items=[], total=1, currency="USD"
        )
        with traced(Trace(correlation_id=f"{number:032x}", actor=f"user/{number}")):
            return event, Envelope.seal(event, aggregate_version=2)

    return place_it


def shelf(database, product):
    with database.sessions() as session:
        stock = session.get(Stock, product.id)
        ledger = select(LedgerEntry).filter_by(product_id=product.id).order_by(LedgerEntry.id)
        entries = session.scalars(ledger).all()
        return stock.on_hand, stock.reserved, [entry.on_hand for entry in entries]


def sold(database, *orders):
    with database.sessions() as session:
        return [session.get(Reservation, order).status for order in orders]


def told(database):
    query = select(outbox_messages).where(outbox_messages.c.type == "StockChanged")
    rows = database.read(lambda session: session.execute(query.order_by("seq")).all())
    return [orjson.loads(bytes(row.body)) for row in rows]


@pytest.mark.parametrize("orders", [1, 32])
def test_many_cost_as_many_statements_as_one(database, sell, place, orders):
    lamp = sell("Lamp", quantity=100)
    placed = [place({lamp.id: 2}) for _ in range(orders)]

    with counting(database) as cost:
        database.run(on_orders_placed, placed)

    kinds = Counter(one.split()[0] for one in cost.statements)
    assert kinds == {"SELECT": 2, "UPDATE": 2, "INSERT": 2}
    assert cost.commits == 1
    left = 100 - 2 * orders
    assert shelf(database, lamp)[:2] == (left, 0)


def test_each_line_is_in_the_ledger_and_told_in_its_orders_name(database, sell, place):
    lamp, cup = sell("Lamp", quantity=9), sell("Cup", quantity=9)
    before = len(told(database))
    placed = [
        place({lamp.id: 1, cup.id: 2}, number=1),
        place({lamp.id: 3}, number=2),
        place({cup.id: 4}, number=3),
    ]

    assert database.run(on_orders_placed, placed) == set()

    assert shelf(database, lamp) == (5, 0, [9, 8, 5])
    assert shelf(database, cup) == (3, 0, [9, 7, 3])
    events = told(database)[before:]
    assert [(e["actor"], e["data"]["product_id"], e["data"]["delta"]) for e in events] == [
        ("user/1", lamp.id, -1),
        ("user/1", cup.id, -2),
        ("user/2", lamp.id, -3),
        ("user/3", cup.id, -4),
    ]
    causes = [str(placed[n][1].id) for n in (0, 0, 1, 2)]
    assert [event["causationid"] for event in events] == causes
    versions = [e["aggregateversion"] for e in events if e["data"]["product_id"] == lamp.id]
    assert versions == [versions[0], versions[0] + 1]


def test_what_was_sold_or_cancelled_before_is_known_and_changes_nothing(database, sell, place):
    lamp = sell("Lamp", quantity=9)
    fresh, before, cancelled = (place({lamp.id: 2}) for _ in range(3))
    ids = [UUID(order.order_id) for order, _ in (fresh, before, cancelled)]
    sell_one(database, ids[1])
    database.run(cancel_reservation, order_id=ids[2])

    known = database.run(on_orders_placed, [before, fresh, cancelled, fresh])

    assert known == {before[1].id, cancelled[1].id}
    assert sold(database, *ids) == ["sold", "sold", "cancelled"]
    assert shelf(database, lamp)[:2] == (5, 0)


def test_two_news_of_one_order_sell_it_once(database, sell, place):
    lamp = sell("Lamp", quantity=9)
    event, first = place({lamp.id: 2})
    second = Envelope.seal(event, aggregate_version=2)

    assert database.run(on_orders_placed, [(event, first), (event, second)]) == {second.id}
    assert told(database)[-1]["causationid"] == str(first.id)

    assert shelf(database, lamp) == (7, 0, [9, 7])


def cancel(session, order):
    cancel_reservation(session, order_id=order)


def release(session, order):
    release_reservation(session, order_id=order)


def sell_it(session, order):
    sell_reservations(session, {order: Trace()})


@pytest.mark.parametrize("steps", [(cancel, sell_it), (sell_it, cancel), (cancel, cancel)])
def test_news_of_one_order_in_one_transaction_know_of_each_other(database, sell, place, steps):
    """As a batch may bring them: what the first wrote, the second must not undo or repeat."""
    lamp = sell("Lamp", quantity=9)
    order = UUID(place({lamp.id: 2})[0].order_id)
    place({lamp.id: 4})

    database.run(lambda session: [step(session, order) for step in steps])

    assert shelf(database, lamp)[:2] == (9, 4)
    assert sold(database, order) == ["cancelled"]


def test_a_rejection_that_comes_twice_in_one_transaction_releases_once(database, sell, place):
    lamp = sell("Lamp", quantity=9)
    order = UUID(place({lamp.id: 2})[0].order_id)
    place({lamp.id: 4})

    database.run(lambda session: [release(session, order), release(session, order)])

    assert shelf(database, lamp)[:2] == (9, 4)


def test_one_without_a_reservation_leaves_the_others_for_another_try(database, sell, place):
    lamp = sell("Lamp", quantity=9)
    good, bad = place({lamp.id: 2}), place({lamp.id: 2}, reserved=False)

    with pytest.raises(ReservationMissing, match=bad[0].order_id):
        database.run(on_orders_placed, [good, bad])

    assert sold(database, UUID(good[0].order_id)) == ["reserved"]
    assert shelf(database, lamp)[:2] == (9, 2)


def test_through_the_broker_one_bad_order_stops_no_other(
    database, amqp_url, fresh_queues, sell, place
):
    """Each is delivered twice, and the bad one waits for its next attempt meanwhile."""
    lamp = sell("Lamp", quantity=60)
    good = [place({lamp.id: 1}) for _ in range(40)]
    bad = place({lamp.id: 1}, reserved=False)
    fresh_queues(TOPOLOGY)

    with afterlife(database, amqp_url, TOPOLOGY, HANDLERS, BATCH_HANDLERS) as consumer:
        consumer.publish(*(envelope for _, envelope in [*good[:20], bad, *good[20:]] * 2))
        eventually(lambda: shelf(database, lamp)[:2] == (20, 0), seconds=30, what="all are sold")

    assert shelf(database, lamp)[2] == list(range(60, 19, -1))
