# SPDX-License-Identifier: Apache-2.0
"""Equal pictures come and go at once: no picture ever loses its bytes, and none are left over."""

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from threading import Barrier

import pytest
from sqlalchemy import event, func, select

from catalog.commands import pictures
from catalog.commands.pictures import add_picture, delete_picture
from catalog.errors import PictureNotFound
from catalog.models import Picture, PictureContent
from catalog.picture_formats import Upload, media_type_of
from common.problems import Problem
from common.tokens import Identity

GRACE = Identity(user_id=7, username="grace", role="user", epoch=0, expires_at=0)
ROUNDS = 25


def together(*tasks):
    """Run *tasks* in threads that start at the same moment; returns what each gave or raised."""
    barrier = Barrier(len(tasks))

    def run(task):
        barrier.wait()
        try:
            return task()
        except Problem as problem:
            return problem

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))


@pytest.fixture
def upload(images):
    data = images.png()
    return Upload(data=data, media_type=media_type_of(data), content_hash=sha256(data).digest())


@pytest.fixture
def add(database, upload):
    return lambda: database.run(add_picture, upload=upload, owner=GRACE)


@pytest.fixture
def remove(database):
    return lambda picture: database.run(delete_picture, picture_id=picture.id, actor=GRACE)


@pytest.fixture
def counts(database):
    def count():
        with database.sessions() as session:
            return tuple(
                session.scalar(select(func.count()).select_from(table))
                for table in (Picture, PictureContent)
            )

    return count


def test_equal_pictures_uploaded_at_once_are_stored_once(add, counts):
    added = together(*[add] * 8)

    assert len({picture.id for picture in added}) == 8
    assert counts() == (8, 1)


def test_the_last_picture_goes_while_an_equal_one_comes(add, remove, counts):
    for _ in range(ROUNDS):
        old = add()
        new, _gone = together(add, lambda old=old: remove(old))

        assert isinstance(new, Picture), new
        assert counts() == (1, 1)
        remove(new)
        assert counts() == (0, 0)


def test_the_last_two_pictures_go_at_once(add, remove, counts):
    for _ in range(ROUNDS):
        one, two = add(), add()

        assert together(lambda one=one: remove(one), lambda two=two: remove(two)) == [None, None]
        assert counts() == (0, 0)


def test_a_picture_is_deleted_once(add, remove, counts):
    for _ in range(ROUNDS):
        picture = add()

        outcomes = together(*[lambda picture=picture: remove(picture)] * 3)

        assert outcomes.count(None) == 1
        refused = [outcome for outcome in outcomes if outcome is not None]
        assert all(isinstance(outcome, PictureNotFound) for outcome in refused), refused
        assert counts() == (0, 0)


def test_without_the_lock_the_last_two_leave_their_bytes_behind(add, remove, counts, monkeypatch):
    """The control: each sees the other's picture, which is not yet gone, and keeps the bytes."""
    both_looked = Barrier(2)
    one, two = add(), add()

    def meet(session, _content_hash):
        # Neither commits before both have looked for the other.
        event.listen(session, "before_commit", lambda _session: both_looked.wait(5))

    monkeypatch.setattr(pictures, "lock_content", meet)
    together(lambda: remove(one), lambda: remove(two))

    assert counts() == (0, 1)
