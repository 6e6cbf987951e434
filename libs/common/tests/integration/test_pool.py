# SPDX-License-Identifier: Apache-2.0
"""What the metrics say of the pool: who works with a connection, who waits, who waited in vain."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from common.db import Database
from common.problems import Unavailable
from common.testing import eventually
from support.proxy import Proxy

SIZE = 2


def told(name):
    return REGISTRY.get_sample_value(f"souk_pool_{name}")


@pytest.fixture
def wait():
    """Seconds to wait for a connection."""
    return 0.3


@pytest.fixture
def pool(schema_url, wait):
    """A database with two connections; tells what the metrics say more than before it."""
    names = ("limit_connections", "used_connections", "waiting_callers", "timeouts_total")
    before = {name: told(name) for name in names}
    proxy = Proxy.before(schema_url)
    database = Database(proxy.url(schema_url), pool_size=SIZE, pool_wait=wait)

    class Pool:
        wire = proxy

        def told(self):
            return tuple(int(told(name) - before[name]) for name in names)

        run = staticmethod(database.run)

    yield Pool()
    database.dispose()
    proxy.close()


def select_one(session):
    return session.scalar(text("SELECT 1"))


@pytest.fixture
def nothing_left(pool):
    """All connections lent, until the block ends."""

    @contextmanager
    def lent():
        begun, finish = threading.Barrier(SIZE + 1), threading.Event()

        def hold(session):
            select_one(session)
            begun.wait(timeout=30)
            finish.wait(timeout=60)

        with ThreadPoolExecutor(SIZE) as holders:
            held = [holders.submit(pool.run, hold) for _ in range(SIZE)]
            begun.wait(timeout=30)
            try:
                yield
            finally:
                finish.set()
            for one in held:
                one.result(timeout=30)

    return lent


@pytest.mark.parametrize("wait", [60.0])
def test_connections_in_use_are_told_and_those_who_wait_for_one(pool, nothing_left):
    with ThreadPoolExecutor(1) as late:
        with nothing_left():
            assert pool.told() == (SIZE, SIZE, 0, 0)
            asked = late.submit(pool.run, select_one)
            eventually(lambda: pool.told() == (SIZE, SIZE, 1, 0), what="somebody waits")
        assert asked.result(timeout=30) == 1
    assert pool.told() == (SIZE, 0, 0, 0)


def test_those_who_waited_in_vain_are_told(pool, nothing_left):
    with nothing_left():
        with pytest.raises(Unavailable):
            pool.run(select_one)
        assert pool.told() == (SIZE, SIZE, 0, 1)
    assert pool.told() == (SIZE, 0, 0, 1)


def test_a_connection_that_breaks_is_not_in_use_for_ever(pool):
    def die(session):
        number = session.scalar(text("SELECT CONNECTION_ID()"))
        pool.run(lambda other: other.execute(text(f"KILL {number}")))
        select_one(session)

    with pytest.raises(Unavailable):
        pool.run(die)

    assert pool.told()[1:3] == (0, 0)
    assert pool.run(select_one) == 1


def test_a_connection_that_nobody_could_open_again_was_never_in_use(pool):
    assert pool.run(select_one) == 1
    pool.wire.refuse()
    for _ in range(3):
        with pytest.raises(Unavailable):
            pool.run(select_one)
    assert pool.told()[1] == 0

    pool.wire.heal()
    assert pool.run(select_one) == 1
    assert pool.told()[1] == 0
