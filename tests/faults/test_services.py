# SPDX-License-Identifier: Apache-2.0
"""A service that another one needs is gone, slow or hanging."""

import secrets

from common.testing import eventually
from faults.house import everything_works, must_be_in_time


def test_without_catalog_orders_says_no_in_time_and_keeps_nothing(well, buyer, crowd, fault):
    product = well.product()
    fault(well.wire("orders", "catalog"))

    must_be_in_time(crowd(lambda: buyer.order(secrets.token_hex(8), product)), 503)

    well.wire("orders", "catalog").heal()
    everything_works(well)
    # What catalog may have held for orders that were given up comes back.
    eventually(lambda: well.stock(product) == (10, 0), seconds=20)
    assert "confirmed" not in well.order_statuses(product)


def test_the_breaker_opens_and_what_needs_no_catalog_is_fast(well, buyer, crowd, fault):
    product = well.product()
    fault(well.wire("orders", "catalog"))
    crowd(lambda: buyer.order(secrets.token_hex(8), product))

    refused = [buyer.order(secrets.token_hex(8), product) for _ in range(9)]
    lists = crowd(lambda: buyer.get("/v1/orders"))

    must_be_in_time(refused, 503)
    assert sorted(reply.seconds for reply in refused)[4] < 1, "most are not even tried"
    must_be_in_time(lists, 200)


def test_without_catalog_a_cart_is_no_or_less_and_in_time(well, buyer, fault):
    product = well.product()
    assert buyer.call("PUT", f"/v1/cart/items/{product}", {"quantity": 2}).status == 200
    fault(well.wire("orders", "catalog"))

    must_be_in_time([buyer.get("/v1/cart") for _ in range(3)], 200, 503)

    well.wire("orders", "catalog").heal()
    everything_works(well)
    (item,) = buyer.get("/v1/cart").body["items"]
    assert (item["product_id"], item["quantity"]) == (product, 2)


def test_without_auth_known_customers_go_on_and_unknown_ones_wait(well, buyer, fault):
    # Two strangers: what auth says too late to the first call may help the second one.
    product, stranger = well.product(), well.caller("orders", well.sign_up())
    other = well.caller("orders", well.sign_up())
    assert buyer.order("first", product).status == 201
    for service in ("catalog", "orders"):
        fault(well.wire(service, "auth"))

    assert buyer.get("/v1/cart").status == 200
    assert well.caller("catalog", buyer.token).get("/v1/products").status == 200
    must_be_in_time([buyer.order("second", product)], 201)
    must_be_in_time([other.get("/v1/cart"), stranger.order("k", product)], 503)
    assert well.caller("catalog", stranger.token).get("/v1/products").status == 200

    for service in ("catalog", "orders"):
        well.wire(service, "auth").heal()
    eventually(lambda: stranger.order("k", product).status == 201, seconds=20)


def test_without_auth_and_redis_a_write_is_refused(well, buyer, fault):
    """Nobody knows whether the token still holds, and that is not a yes."""
    product = well.product()
    well.wire("orders", "redis").refuse()
    fault(well.wire("orders", "auth"))

    must_be_in_time([buyer.order("k", product) for _ in range(2)], 503)
    assert well.stock(product) == (10, 0)
