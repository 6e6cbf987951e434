# SPDX-License-Identifier: Apache-2.0
"""Real servers for tests: yours, or containers where Docker answers, or private local ones."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PASSWORD = "only-for-tests-9f2c"

MYSQL_IMAGE = os.environ.get("SOUK_TEST_MYSQL_IMAGE", "mysql:9")
RABBITMQ_IMAGE = os.environ.get("SOUK_TEST_RABBITMQ_IMAGE", "rabbitmq:4")
REDIS_IMAGE = os.environ.get("SOUK_TEST_REDIS_IMAGE", "redis:8")


# Locks and group commit behave differently with it, and shops run with and without.
BINARY_LOG = {"": None, "on": True, "off": False}[os.environ.get("SOUK_TEST_BINARY_LOG", "")]
"""Whether the database that we start keeps one; None leaves it at what its kind does by itself."""


@dataclass(frozen=True, kw_only=True)
class Servers:
    """Where the test run's servers are.

    Attributes:
        database_url: A user who may do everything, without a schema at the end.
    """

    database_url: str
    amqp_url: str
    redis_url: str


def own() -> Servers | None:
    """The servers that ``SOUK_TEST_DATABASE_URL`` and its two neighbours name, if they do.

    Any servers will do for which the users there may do everything. Test runs that share a broker
    need a virtual host each, and those that share a Redis a number each.
    """
    if "SOUK_TEST_DATABASE_URL" not in os.environ:
        return None
    return Servers(
        database_url=os.environ["SOUK_TEST_DATABASE_URL"],
        amqp_url=os.environ["SOUK_TEST_AMQP_URL"],
        redis_url=os.environ["SOUK_TEST_REDIS_URL"],
    )


def docker_answers() -> bool:
    """Whether containers can be started; ``SOUK_TEST_SERVERS=private`` says not to."""
    if os.environ.get("SOUK_TEST_SERVERS") == "private":
        return False
    host = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    by_path = host.scheme == "unix"
    with socket.socket(socket.AF_UNIX if by_path else socket.AF_INET) as client:
        client.settimeout(2)
        try:
            client.connect(host.path if by_path else (host.hostname, host.port or 2375))
        except OSError:
            return False
    return True


@contextmanager
def containers() -> Iterator[Servers]:
    """Servers in containers, of the versions that production has."""
    from testcontainers.community.mysql import MySqlContainer  # noqa: PLC0415
    from testcontainers.community.rabbitmq import RabbitMqContainer  # noqa: PLC0415
    from testcontainers.community.redis import RedisContainer  # noqa: PLC0415

    mysql = MySqlContainer(
        MYSQL_IMAGE, username="root", root_password=PASSWORD, password=PASSWORD, dbname="souk"
    )
    if BINARY_LOG is not None:
        mysql.with_command("--log-bin --sync-binlog=1" if BINARY_LOG else "--disable-log-bin")
    with (
        mysql,
        RabbitMqContainer(RABBITMQ_IMAGE, username="souk", password=PASSWORD) as rabbitmq,
        RedisContainer(REDIS_IMAGE) as redis,
    ):
        host = mysql.get_container_host_ip()
        broker = f"{rabbitmq.get_container_host_ip()}:{rabbitmq.get_exposed_port(rabbitmq.port)}"
        yield Servers(
            database_url=f"mysql+pymysql://root:{PASSWORD}@{host}:{mysql.get_exposed_port(3306)}",
            amqp_url=f"amqp://souk:{PASSWORD}@{broker}/%2F",
            redis_url=f"redis://{redis.get_container_host_ip()}:{redis.get_exposed_port(6379)}/0",
        )


@contextmanager
def private(directory: Path) -> Iterator[Servers]:
    """Private servers of the distribution's packages, below *directory* and on free ports."""
    from souk_local.private_servers import PrivateServers  # noqa: PLC0415 - may install packages

    started = PrivateServers.start(directory, users=(), binary_log=bool(BINARY_LOG))
    try:
        root = f"root:{started.mariadb.root_password}"
        yield Servers(
            database_url=f"mysql+pymysql://{root}@127.0.0.1:{started.mariadb.port}",
            amqp_url=started.rabbitmq.url("tests"),
            redis_url=started.redis.url,
        )
    finally:
        started.stop()
