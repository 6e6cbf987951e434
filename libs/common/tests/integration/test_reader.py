# SPDX-License-Identifier: Apache-2.0
"""Who asks Redis for single values, on kept connections."""

import pytest
from redis import ConnectionError as ConnectionLost
from redis import Redis
from redis import TimeoutError as TooSlow

from common.access import Reader, connect_redis
from souk_local.ports import free_ports

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
    client.connection_pool.connection_kwargs["client_name"] = "reader"
    return Reader(client)


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


def test_an_answer_that_came_too_late_is_nobodys(redis, reader):
    assert reader.get(NAME) == b"3"
    redis.client_pause(400)

    with pytest.raises(TooSlow):
        reader.get(NAME)

    redis.client_unpause()
    assert reader.get("epoch:nobody") is None


def test_a_server_that_is_away_is_a_refusal():
    with pytest.raises(ConnectionLost):
        Reader(connect_redis(f"redis://127.0.0.1:{free_ports(1)[0]}")).get(NAME)
