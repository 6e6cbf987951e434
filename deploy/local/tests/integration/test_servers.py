# SPDX-License-Identifier: Apache-2.0
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pika
import pika.exceptions
import pymysql
import pytest
import redis
from pika.adapters.blocking_connection import BlockingChannel

from common.amqp import Publisher, QueuesMissing, readers_of
from common.testing import eventually
from souk_local.private_servers import PrivateServers
from souk_local.processes import ServerProcess
from souk_local.servers import Schema, ServerNotReady

CATALOG = Schema("catalog", "it's a secret")
ORDERS = Schema("orders", "another")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServers]:
    started = PrivateServers.start(tmp_path_factory.mktemp("servers"), users=["catalog", "orders"])
    try:
        started.mariadb.create_schemas([CATALOG, ORDERS])
        yield started
    finally:
        started.stop()


def database(servers: PrivateServers, user: Schema, schema: str) -> pymysql.Connection:
    return pymysql.connect(
        host="127.0.0.1",
        port=servers.mariadb.port,
        user=user.name,
        password=user.password,
        database=schema,
        autocommit=True,
    )


@contextmanager
def channel(servers: PrivateServers, user: str) -> Iterator[BlockingChannel]:
    connection = pika.BlockingConnection(pika.URLParameters(servers.rabbitmq.url(user)))
    try:
        opened = connection.channel()
        opened.confirm_delivery()
        yield opened
    finally:
        with suppress(pika.exceptions.AMQPError):
            connection.close()


def members_of_group(group: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getpgid(int(entry.name)) == group:
                found.append(int(entry.name))
        except ProcessLookupError:
            continue
    return found


def test_a_committed_row_survives_a_kill(servers):
    with database(servers, CATALOG, "catalog") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (id INT PRIMARY KEY) ENGINE=InnoDB")
        cursor.execute("INSERT INTO kept VALUES (42)")

    servers.processes["mariadb"].kill()
    assert not servers.mariadb.is_ready()
    servers.restart("mariadb")

    with database(servers, CATALOG, "catalog") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM kept")
        assert cursor.fetchall() == ((42,),)


def test_a_user_sees_only_its_own_schema(servers):
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        database(servers, CATALOG, "orders")


def test_creating_schemas_again_keeps_their_data_and_sets_the_new_password(servers):
    changed = Schema("orders", "changed")
    with database(servers, ORDERS, "orders") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE still_here (id INT)")

    servers.mariadb.create_schemas([changed])

    with database(servers, changed, "orders") as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        assert cursor.fetchall() == (("still_here",),)


def test_the_database_has_no_account_without_a_password(servers):
    for user in ("root", ""):
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            pymysql.connect(host="127.0.0.1", port=servers.mariadb.port, user=user)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("innodb_flush_log_at_trx_commit", "1"),
        ("log_bin", "OFF"),
        ("time_zone", "+00:00"),
        ("character_set_server", "utf8mb4"),
        ("innodb_lock_wait_timeout", "5"),
        ("max_connections", "300"),
    ],
)
def test_the_database_runs_with_the_promised_setting(servers, variable, value):
    with database(servers, CATALOG, "catalog") as connection, connection.cursor() as cursor:
        cursor.execute("SHOW VARIABLES LIKE %s", (variable,))
        assert cursor.fetchall() == ((variable, value),)


def test_a_durable_queue_its_message_and_the_users_survive_a_kill(servers):
    with channel(servers, "catalog") as first:
        first.queue_declare("catalog.kept", durable=True, arguments={"x-queue-type": "quorum"})
        first.exchange_declare("souk.events", "topic", durable=True)
        first.queue_bind("catalog.kept", "souk.events", "#")
        lasting = pika.BasicProperties(delivery_mode=2)
        first.basic_publish("souk.events", "x", b"kept", lasting, mandatory=True)

    # RabbitMQ 3.10 writes the list of its quorum queues half a second late; a queue that is not
    # in it when the broker dies never comes back, whatever its own log holds.
    queues = next(servers.rabbitmq.directory.glob("mnesia/*/quorum/*/names.dets"))
    eventually(lambda: b"catalog.kept" in queues.read_bytes())
    servers.processes["rabbitmq"].kill()
    assert not servers.rabbitmq.is_ready()
    servers.restart("rabbitmq")

    with channel(servers, "catalog") as again:
        _, _, body = again.basic_get("catalog.kept", auto_ack=True)
    assert body == b"kept"


def test_a_user_may_not_touch_the_queue_of_another(servers):
    with (
        channel(servers, "orders") as stranger,
        pytest.raises(pika.exceptions.ChannelClosedByBroker) as no,
    ):
        stranger.queue_declare("catalog.mine")
    assert no.value.reply_code == 403


def test_a_publisher_sees_others_queues_without_a_right_to_them(servers):
    """Before it publishes it looks for its readers'; that must not cost it more rights."""
    readers = [reader for reader in readers_of("orders") if reader.service == "catalog"]
    publisher = Publisher(servers.rabbitmq.url("orders"), "relay", readers=readers)
    with pytest.raises(QueuesMissing, match=r"catalog\.order_placed"):
        publisher.connect()

    readers[0].declare(servers.rabbitmq.url("catalog"))

    with pytest.raises(QueuesMissing):
        publisher.connect()  # the first look after a wait only ends it
    publisher.connect()
    publisher.close()


def test_the_administrator_may_declare_streams(servers):
    with channel(servers, "tests") as administrator:
        administrator.queue_declare(
            "analytics.views.stream", durable=True, arguments={"x-queue-type": "stream"}
        )


def test_the_cache_wants_its_password(servers):
    with redis.Redis.from_url(servers.redis.url) as client:
        client.set("a", "1")
        assert client.get("a") == b"1"
    with redis.Redis(port=servers.redis.port) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_a_server_that_cannot_start_shows_the_end_of_its_log(servers, tmp_path):
    taken = type(servers.redis)(directory=tmp_path, port=servers.redis.port, password="other")
    process = ServerProcess.start(taken)
    with pytest.raises(ServerNotReady, match="Address already in use"):
        process.wait_until_ready(10)
    process.stop()


def test_stopping_leaves_no_process(tmp_path):
    started = PrivateServers.start(tmp_path, users=["catalog"], binary_log=True)
    groups = [process.pid for process in started.processes.values()]
    assert all(members_of_group(group) for group in groups)

    started.stop()

    assert [member for group in groups for member in members_of_group(group)] == []


def test_the_database_has_its_temporary_tables_to_itself(servers: PrivateServers) -> None:
    with database(servers, CATALOG, "catalog") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@tmpdir")
        assert cursor.fetchone() == (str(servers.mariadb.directory / "tmp"),)
