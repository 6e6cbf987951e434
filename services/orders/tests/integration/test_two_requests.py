# SPDX-License-Identifier: Apache-2.0
"""Two requests with one key in two processes, in every order in which their statements can come."""

import pending
import pytest
from catalog_stub import LAMP

from common.identifiers import uuid7
from common.testing.interleavings import Interleavings
from orders.errors import BeingPlaced

ONE_OF_THEM = sorted(["Attempt", BeingPlaced.code])


def begin(database, key):
    begun = pending.begin(database, {LAMP: 2}, key=key)
    return begun.code if isinstance(begun, BeingPlaced) else type(begun).__name__


@pytest.fixture
def one_key():
    def make():
        return [{"key": str(uuid7())}] * 2

    return make


@pytest.fixture
def two_keys():
    def make():
        return [{"key": str(uuid7())} for _ in range(2)]

    return make


def test_of_two_requests_with_one_key_one_begins_an_order_in_every_order(database, one_key, ledger):
    plays = 0
    with Interleavings(database, [begin, begin]) as both:
        for play in both.every(one_key):
            plays += 1
            assert sorted(play.words) == ONE_OF_THEM, play
            assert ledger.statuses() == ["pending"] * plays, play

    assert plays > 1


def test_two_requests_with_two_keys_begin_two_orders(database, two_keys, ledger):
    """The control: it is the key that makes one order of two requests."""
    with Interleavings(database, [begin, begin]) as both:
        for play in both.every(two_keys):
            assert play.words == ["Attempt", "Attempt"], play
            assert play.lost_races == [], play
