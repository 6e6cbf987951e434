# SPDX-License-Identifier: Apache-2.0
"""What the metrics say of the pool: who works with a connection, who waits, who waited in vain."""

import threading

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
def pool(schema_url):
    """A database with two connections; tells what the metrics say more than before it."""
    names = ("limit_connections", "used_connections", "waiting_callers", "timeouts_total")
    before = {name: told(name) for name in names}
    proxy = Proxy.before(schema_url)
    database = Database(proxy.url(schema_url), pool_size=SIZE, pool_wait=0.3)

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


def test_connections_in_use_are_told_and_those_who_wait_for_one(pool):
    begun, finish = threading.Barrier(SIZE + 1), threading.Event()

    def hold(session):
        select_one(session)
        begun.wait(timeout=10)
        finish.wait(timeout=10)

    threads = [threading.Thread(target=pool.run, args=(hold,)) for _ in range(SIZE)]
    for thread in threads:
        thread.start()
    begun.wait(timeout=10)
    assert pool.told() == (SIZE, SIZE, 0, 0)

    def ask_in_vain():
        with pytest.raises(Unavailable):
            pool.run(select_one)

    patient = threading.Thread(target=ask_in_vain)
    patient.start()
    eventually(lambda: pool.told()[2] == 1, seconds=5, what="somebody waits")
    patient.join(timeout=10)
    assert pool.told() == (SIZE, SIZE, 0, 1)

    finish.set()
    for thread in threads:
        thread.join(timeout=10)
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
