# SPDX-License-Identifier: Apache-2.0
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from notifier.commands.deliveries import forget_finished
from notifier.models import Notice, NoticePart


def forget(house, **age):
    before = house.now() - timedelta(**age)
    deleted = 0
    while count := house.database.run(forget_finished, before=before):
        deleted += count
    return deleted


def counted(house, model):
    return house.database.read(
        lambda session: session.scalar(select(func.count()).select_from(model))
    )


@pytest.fixture
def old_mail(house, make):
    """One mail of a hundred days ago."""
    house.admins("ada")
    house.hear(make.price())
    house.send()
    house.time_passes(days=100)


def test_what_was_finished_long_ago_is_forgotten_with_its_notice(house, old_mail):
    assert forget(house, days=90) == 2

    assert house.deliveries() == []
    assert (counted(house, Notice), counted(house, NoticePart)) == (0, 0)


def test_what_was_finished_lately_is_kept(house, old_mail):
    assert forget(house, days=101) == 0

    assert house.statuses() == ["sent"]


def test_what_still_waits_is_kept_however_old_it_is(house, make):
    house.admins("ada")
    house.hear(make.price())
    house.fan_out()
    house.time_passes(days=100)

    assert forget(house, days=90) == 0
    house.send()
    assert len(house.post.sent) == 1


def test_a_notice_that_nobody_was_told_is_forgotten_too(house, make):
    house.hear(make.price())
    house.fan_out()

    assert forget(house, days=-1) == 1
    assert counted(house, NoticePart) == 0
