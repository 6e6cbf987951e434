# SPDX-License-Identifier: Apache-2.0
import pytest

from common.amqp import Topology
from common.contracts import OrderPlaced, ProductViewed
from common.db import Database
from common.subscriber import Subscriber, rest_after

TOPOLOGY = Topology(service="analytics", events=(OrderPlaced, ProductViewed))


def one(_session, _event, _envelope) -> None: ...


def many(_session, _received) -> set:
    return set()


def subscriber(handlers, batch_handlers) -> Subscriber:
    nowhere = Database("mysql+pymysql://nobody@127.0.0.1:1/nothing")
    return Subscriber(nowhere, "amqp://127.0.0.1:1", TOPOLOGY, handlers, batch_handlers)


@pytest.mark.parametrize(
    ("handlers", "batch_handlers"),
    [
        ({OrderPlaced: one, ProductViewed: one}, None),
        ({OrderPlaced: one}, {ProductViewed: many}),
        ({}, {OrderPlaced: many, ProductViewed: many}),
    ],
)
def test_an_event_may_be_handled_alone_or_by_the_batch(handlers, batch_handlers):
    assert subscriber(handlers, batch_handlers)


@pytest.mark.parametrize(
    ("handlers", "batch_handlers"),
    [({OrderPlaced: one}, None), ({}, {ProductViewed: many}), ({}, {})],
)
def test_an_event_that_nobody_handles_is_refused_at_the_start(handlers, batch_handlers):
    with pytest.raises(ValueError, match="subscribed and handled events differ"):
        subscriber(handlers, batch_handlers)


@pytest.mark.parametrize(
    ("took", "rest"), [(0.0, 0.02), (0.005, 0.02), (0.06, 0.06), (0.25, 0.25), (60.0, 0.25)]
)
def test_events_gather_for_as_long_as_the_last_ones_took_within_bounds(took, rest):
    assert rest_after(took) == rest
