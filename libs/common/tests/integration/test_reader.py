# SPDX-License-Identifier: Apache-2.0
"""Who asks Redis for single values, on kept connections."""

import pytest
from redis import ConnectionError as ConnectionLost
from redis import Redis
from redis import TimeoutError as TooSlow

from common.access import Reader, connect_redis
from common.testing import eventually
from souk_local.ports import free_ports
from support.proxy import Proxy

NAME = "epoch:reader"


@pytest.fixture
def redis(redis_url):
    with Redis.from_url(redis_url) as client:
        client.set(NAME, 3)
        yield client
        client.delete(NAME)


@pytest.fixture
def reader(redis, redis_url):
    client = connect_redis(redis_url)
    client.connection_pool.connection_kwargs |= {"client_name": "reader", "socket_timeout": 30}
    return Reader(client)


def in_time(reader, name):
    """The value in a list, or nothing where a busy machine made the answer late."""
    try:
        return [reader.get(name)]
    except TooSlow:
        return []


def connections(redis):
    return [each["id"] for each in redis.client_list() if each["name"] == "reader"]


def test_a_value_is_read_on_the_same_connection_again(redis, reader):
    assert [reader.get(NAME), reader.get("epoch:nobody"), reader.get(NAME)] == [b"3", None, b"3"]

    assert len(connections(redis)) == 1


def test_a_connection_that_was_closed_meanwhile_is_replaced(redis, reader):
    assert reader.get(NAME) == b"3"
    for number in connections(redis):
        redis.client_kill_filter(_id=number)

    assert reader.get(NAME) == b"3"


def test_an_answer_that_came_too_late_is_nobodys(redis, redis_url):
    proxy = Proxy.before(redis_url)
    reader = Reader(connect_redis(proxy.url(redis_url)))
    try:
        assert eventually(lambda: in_time(reader, NAME)) == [b"3"]
        proxy.delay(600)
        with pytest.raises(TooSlow):
            reader.get(NAME)
        proxy.heal()  # and the late answer comes
        assert eventually(lambda: in_time(reader, "epoch:nobody")) == [None]
    finally:
        proxy.close()


def test_a_server_that_is_away_is_a_refusal():
    with pytest.raises(ConnectionLost):
        Reader(connect_redis(f"redis://127.0.0.1:{free_ports(1)[0]}")).get(NAME)
