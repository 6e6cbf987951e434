# SPDX-License-Identifier: Apache-2.0
"""Receipts of many orders at once: a rush costs a few statements, however many orders it has."""

from common.contracts import OrderCancelled
from common.testing.counting import counting
from notifier.commands.deliveries import fan_out
from notifier.handlers import on_orders_settled


def receipts(make, count, kind=None):
    events = [make.order(customer_id=number, **(kind or {})) for number in range(1, count + 1)]
    return [(event, make.seal(event)) for event in events]


def test_a_batch_of_receipts_costs_two_statements(house, make):
    received = receipts(make, 30)
    house.database.run(on_orders_settled, received[:1])

    with counting(house.database) as asked:
        assert house.database.run(on_orders_settled, received[1:]) == set()

    assert [one.split()[0] for one in asked.statements] == ["INSERT", "INSERT"]
    house.send()
    assert len(house.deliveries()) == 30


def test_deliveries_of_many_receipts_cost_as_many_statements_as_of_one(house, make):
    house.hear(make.user(1, "ada"))
    house.database.run(on_orders_settled, receipts(make, 1))
    house.fan_out()
    house.database.run(on_orders_settled, receipts(make, 40) + receipts(make, 40))
    now = house.now()

    with counting(house.database) as asked:
        closed = house.database.run(fan_out, now=now, gather_seconds=0, currency="USD")

    kinds = [one.split()[0] for one in asked.statements]
    assert closed == 80
    assert kinds == ["SELECT"] * 4 + ["INSERT"] * 2 + ["UPDATE"], asked.statements
    assert len(house.deliveries()) == 1 + 80


def test_receipts_that_come_again_in_any_company_are_noted_once(house, make):
    received = receipts(make, 9)
    house.database.run(on_orders_settled, [*received[2:5], received[2]])

    known = house.database.run(on_orders_settled, received[::-1])

    assert known == {envelope.id for _, envelope in received[2:5]}
    assert house.database.run(on_orders_settled, received) == {one.id for _, one in received}
    house.send()
    assert len(house.deliveries()) == 9


def test_an_order_and_its_end_are_two_receipts(house, make):
    house.database.run(on_orders_settled, receipts(make, 1))
    house.database.run(on_orders_settled, receipts(make, 1, {"kind": OrderCancelled}))

    house.send()
    assert len(house.deliveries()) == 2
