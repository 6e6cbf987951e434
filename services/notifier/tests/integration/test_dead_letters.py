# SPDX-License-Identifier: Apache-2.0
"""Dead letters that come back after the inbox has forgotten them send no mail twice."""

import pytest

from common.amqp import Topology
from common.contracts import UserChanged
from common.testing.afterlife import afterlife
from notifier.handlers import BATCH_HANDLERS, HANDLERS
from notifier.worker import TOPOLOGY


@pytest.fixture
def consumer(database, amqp_url, fresh_queues):
    quiet = Topology(service="notifier", events=TOPOLOGY.events)
    fresh_queues(quiet)
    with afterlife(database, amqp_url, quiet, HANDLERS, BATCH_HANDLERS) as running:
        yield running


def test_a_change_is_mailed_once_to_every_admin(consumer, house, make):
    house.admins("ada", "grace")
    news = [make.seal(make.price()), make.seal(make.order(customer_id=1))]
    consumer.tell(*news)
    house.send()
    mailed = sorted(house.post.subjects)
    assert len(mailed) == 3, "one to each admin, and a receipt"

    consumer.forget()
    consumer.bring_back(*news)
    house.send()

    assert sorted(house.post.subjects) == mailed
    assert consumer.is_empty()


def test_an_old_letter_about_a_user_does_not_undo_what_came_later(consumer, house, make):
    first = make.seal(make.user(1, "ada", role="admin"))
    later = make.seal(make.user(1, "ada", role="user", kind=UserChanged), aggregateversion=2)
    consumer.tell(first)
    consumer.tell(later)

    consumer.forget()
    consumer.bring_back(first)

    assert house.recipient(1).role == "user"


def test_without_the_notices_own_key_the_mail_would_go_twice(consumer, house, make, monkeypatch):
    """The control: the same news under another id is mailed again."""
    house.admins("ada")
    consumer.tell(make.seal(make.price()))
    house.send()
    consumer.tell(make.seal(make.price()))
    house.send()

    assert len(house.post.subjects) == 2
