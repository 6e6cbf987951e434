# SPDX-License-Identifier: Apache-2.0
"""Redis is gone, slow, hanging or emptied: nothing true lived there."""

import secrets
import time

import pytest
from redis import Redis

from common.testing import eventually
from faults.house import PASSWORD, SERVICES, must_be_in_time

HOT_SECONDS = 3


@pytest.fixture
def broken(well, fault):
    """The house, its Redis broken for every service."""
    for service in SERVICES:
        fault(well.wire(service, "redis"))
    return well


@pytest.fixture
def empty(redis_url):
    """Empties Redis: this run's number of it, for other runs may share the server."""
    with Redis.from_url(redis_url) as redis:
        yield redis.flushdb


def test_reads_and_writes_go_on_and_nobody_may_guess_passwords(buyer, broken):
    product = broken.product()

    replies = [
        broken.caller("catalog").get("/v1/products"),
        buyer.get("/v1/cart"),
        buyer.call("PUT", f"/v1/cart/items/{product}", {"quantity": 1}),
        buyer.order("k", product),
    ]

    assert [reply.status for reply in replies] == [200, 200, 200, 201]
    must_be_in_time(replies, 200, 201)
    login = {"login": "root", "password": PASSWORD}
    must_be_in_time([broken.caller("auth").post("/v1/auth/login", login) for _ in range(4)], 503)


def test_a_crowd_is_served(buyer, broken, crowd):
    must_be_in_time(crowd(lambda: buyer.get("/v1/orders")), 200)


def test_a_page_that_everybody_wants_is_read_all_the_same(broken, crowd):
    page, seconds = f"/v1/products/{broken.staple}", set()
    visitor = broken.caller("catalog")

    # A page is hot, and shared through Redis, in the second after one in which it was wanted.
    while len(seconds) < HOT_SECONDS:
        must_be_in_time(crowd(lambda: visitor.get(page)), 200)
        seconds.add(int(time.time()))


def test_a_revoked_token_stays_dead_when_redis_is_emptied(well, buyer, empty):
    auth = well.caller("auth", buyer.token)
    assert auth.post("/v1/auth/logout-all").status == 204

    for _ in range(2):
        empty()
        assert buyer.order(secrets.token_hex(8), 1).status == 401


def test_emptied_at_any_time_it_takes_nothing_away(well, buyer, empty):
    """Between every two steps of a customer's visit."""
    product = well.product()
    steps = [
        lambda: buyer.call("PUT", f"/v1/cart/items/{product}", {"quantity": 2}),
        lambda: buyer.get("/v1/cart"),
        lambda: buyer.post("/v1/orders", {}, Idempotency_Key="k"),
        lambda: buyer.post("/v1/orders", {}, Idempotency_Key="k"),
        lambda: buyer.get("/v1/orders"),
    ]

    replies = []
    for step in steps:
        empty()
        replies.append(step())

    assert [reply.status for reply in replies] == [200, 200, 201, 201, 200]
    assert replies[2].body == replies[3].body
    assert [order["id"] for order in replies[4].body["items"]] == [replies[2].body["id"]]
    eventually(lambda: well.stock(product) == (8, 0))
