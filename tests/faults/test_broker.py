# SPDX-License-Identifier: Apache-2.0
"""The broker is gone, slow or hanging: the shop goes on, and every event arrives once."""

from common.testing import eventually
from faults.house import must_be_in_time


def test_orders_and_changes_are_taken_and_told_once_afterwards(well, buyer, fault):
    product = well.product()
    eventually(lambda: well.waiting("catalog") == 0)
    for service in ("catalog", "orders"):
        fault(well.wire(f"{service}-worker", "broker"))

    ordered = [buyer.order(f"k{number}", product) for number in range(3)]
    admin = well.caller("catalog", well.admin_token)
    changed = admin.call("PATCH", f"/v1/products/{product}", {"price": "11.00"})

    must_be_in_time(ordered, 201)
    must_be_in_time([changed], 200)
    assert well.stock(product) == (10, 3), "no clock takes units away, and none are sold yet"

    for service in ("catalog", "orders"):
        well.wire(f"{service}-worker", "broker").heal()
    eventually(lambda: well.stock(product) == (7, 0), seconds=30, what="all sold")
    eventually(lambda: well.waiting("catalog") + well.waiting("orders") == 0, seconds=30)
    for reply in ordered:
        told = well.broker.events("OrderPlaced", order_id=reply.body["id"])
        assert len({event["id"] for event in told}) == 1
    prices = well.broker.events("ProductPriceChanged", product_id=product)
    assert len({event["id"] for event in prices}) == 1
    assert well.stock(product) == (7, 0)


def test_a_worker_without_its_broker_is_alive_and_not_ready(well, fault):
    fault(well.wire("orders-worker", "broker"))
    worker = well.caller("orders-worker")

    assert worker.get("/readyz").status == 503
    must_be_in_time([worker.get("/healthz")], 200)
