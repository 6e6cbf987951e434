# SPDX-License-Identifier: Apache-2.0
"""Reading past SQLAlchemy: what fails and what is seen is as on its own connections."""

from time import monotonic

import pytest
from prometheus_client import REGISTRY
from sqlalchemy.exc import DBAPIError

from common.db import Database, error_number
from common.problems import Unavailable
from common.testing import TRIES, eventually
from support.proxy import Proxy

NO_SUCH_COLUMN = 1054


def one(glance, sql="SELECT 1", *parameters):
    [value] = glance.first_column(sql, parameters)
    return value


def answer_of(database):
    try:
        return database.glance(one)
    except Unavailable:
        return None


def used():
    return REGISTRY.get_sample_value("souk_pool_used_connections")


def test_it_sees_what_was_committed_last_and_keeps_nothing(shop):
    wanted, before = "SELECT value FROM counters WHERE name IN %s", used()

    for units in (1, 2):
        shop.database.run(shop.add, "lamps")
        assert shop.database.glance(one, wanted, ["lamps", "none"]) == units
        assert used() == before


def test_a_connection_that_the_server_cuts_is_unavailable_and_then_replaced(database):
    number = database.glance(one, "SELECT CONNECTION_ID()")
    with database.engine.connect() as connection:
        connection.exec_driver_sql(f"KILL {number}")

    with pytest.raises(Unavailable):
        database.glance(one)
    assert database.glance(one, "SELECT CONNECTION_ID()") != number


def test_a_server_that_hangs_is_known_for_it_and_one_that_is_gone_is_unavailable(schema_url):
    proxy = Proxy.before(schema_url)
    patient = Database(proxy.url(schema_url), read_timeout=0.5)

    def seconds_until_told():
        eventually(lambda: answer_of(patient) == 1, what="an answer")
        proxy.stall()
        began = monotonic()
        with pytest.raises(Unavailable):
            patient.glance(one)
        took = monotonic() - began
        assert patient.hangs
        proxy.heal()
        return took

    try:
        assert any(seconds_until_told() < 1.5 for _ in range(TRIES))
        eventually(lambda: answer_of(patient) == 1, what="an answer")
        proxy.refuse()
        with pytest.raises(Unavailable):
            patient.glance(one)
    finally:
        patient.dispose()
        proxy.close()


def test_what_is_wrong_with_a_statement_is_said_without_its_values(database):
    before = used()
    with pytest.raises(DBAPIError) as raised:
        database.glance(one, "SELECT nothing FROM counters WHERE name = %s", "secret")

    assert error_number(raised.value) == NO_SUCH_COLUMN
    assert "secret" not in str(raised.value)
    assert used() == before
    assert database.glance(one) == 1


def test_a_reader_that_fails_takes_no_connection_with_it(database):
    before = used()
    with pytest.raises(ZeroDivisionError):
        database.glance(lambda glance: one(glance) / 0)

    assert used() == before
    assert database.glance(one) == 1
