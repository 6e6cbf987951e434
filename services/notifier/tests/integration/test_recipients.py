# SPDX-License-Identifier: Apache-2.0
from itertools import permutations

import pytest


def facts(recipient):
    return (recipient.username, recipient.email, recipient.role, recipient.is_deleted)


def test_a_registered_user_is_known(house, make):
    house.hear(make.user(7, "ada", role="admin"))

    assert facts(house.recipient(7)) == ("ada", "ada@example.com", "admin", False)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_newest_version_counts_in_whatever_order_the_news_come(house, make, order):
    news = [
        make.user(7, "ada", role="admin"),
        make.user(7, "ada", role="user", kind=make.changed_user, email="new@example.com"),
        make.user(7, "ada", role="user", kind=make.deleted_user),
    ]

    for version in order:
        house.hear(news[version], aggregateversion=version + 1)

    assert facts(house.recipient(7)) == ("ada", None, "user", True)


def test_a_demotion_before_the_registration_stays_a_demotion(house, make):
    demotion = make.user(7, "ada", role="user", kind=make.changed_user)
    house.hear(demotion, aggregateversion=2)
    house.hear(make.user(7, "ada", role="admin"), aggregateversion=1)
    house.hear(make.price())
    house.send()

    assert house.recipient(7).role == "user"
    assert house.post.sent == []


@pytest.mark.parametrize("kind", ["user", "changed_user", "deleted_user"])
def test_news_about_a_user_may_come_twice(house, make, kind):
    event = make.user(7, "ada") if kind == "user" else make.user(7, "ada", kind=getattr(make, kind))
    envelope = house.hear(event)
    before = facts(house.recipient(7))

    house.hear_again(event, envelope)

    assert facts(house.recipient(7)) == before


def test_a_deleted_user_leaves_no_address_and_no_full_name(house, make):
    house.hear(make.user(7, "ada"), aggregateversion=1)
    house.hear(make.user(7, "ada", kind=make.deleted_user), aggregateversion=2)

    found = house.recipient(7)
    assert (found.email, found.fullname) == (None, None)


def test_a_user_without_an_address_is_known_too(house, make):
    house.hear(make.user(7, "ada", email=None))

    assert house.recipient(7).email is None
