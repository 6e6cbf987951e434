# SPDX-License-Identifier: Apache-2.0
"""Receipts of many orders at once: a rush of orders is noted in two statements."""

from common.contracts import OrderCancelled
from common.testing.counting import counting
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
