# SPDX-License-Identifier: Apache-2.0
"""The fixtures that every room of tests shares; the root conftest loads them."""

import secrets
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url

from common.amqp import Topology, readers_of
from common.amqp.connection import connect
from common.db import Database
from common.migrations import migrate_to_head
from common.roles import migrations_of
from common.settings import ServiceSettings
from common.testing.servers import Servers, containers, docker_answers, own, private
from common.testing.tokens import TokenFactory

S = TypeVar("S", bound=ServiceSettings)

DatabaseFactory = Callable[[str], Database]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Real servers, started when the first test asks for one."""
    if mine := own():
        yield mine
    elif docker_answers():
        with containers() as found:
            yield found
    else:
        with private(tmp_path_factory.mktemp("servers")) as found:
            yield found


@pytest.fixture(scope="session")
def service_key() -> str:
    return secrets.token_urlsafe(48)


@pytest.fixture(scope="session")
def token_factory(service_key: str) -> TokenFactory:
    return TokenFactory(service_key)


@pytest.fixture(scope="session")
def amqp_url(servers: Servers) -> str:
    return servers.amqp_url


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> str:
    return servers.redis_url


@pytest.fixture(scope="session")
def new_schema(servers: Servers) -> Iterator[Callable[[str], str]]:
    """Makes a fresh, empty schema and gives its URL."""
    admin = create_engine(servers.database_url)

    def make(name: str) -> str:
        schema = f"{name}_{secrets.token_hex(4)}"
        with admin.begin() as connection:
            connection.execute(text(f"CREATE DATABASE {schema} CHARACTER SET utf8mb4"))
        url = make_url(servers.database_url).set(database=schema)
        return url.render_as_string(hide_password=False)

    yield make
    admin.dispose()


@pytest.fixture(scope="session")
def database_of(new_schema: Callable[[str], str]) -> Iterator[DatabaseFactory]:
    """Makes a service's database, migrated; the same one for the whole run."""
    made: dict[str, Database] = {}

    def make(service: str) -> Database:
        if service not in made:
            url = new_schema(service)
            migrate_to_head(url, migrations_of(service))
            # Patient: a race that waits behind a stalled thread is no fault.
            made[service] = Database(url, pool_size=40, pool_wait=60, lock_wait=50, read_timeout=60)
        return made[service]

    yield make
    for database in made.values():
        database.dispose()


@pytest.fixture(scope="session")
def clean() -> Callable[[Database], None]:
    """Empties every table but Alembic's."""

    def empty(database: Database) -> None:
        with database.engine.begin() as connection:
            connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
            for table in inspect(connection).get_table_names():
                if table != "alembic_version":
                    connection.execute(text(f"DELETE FROM `{table}`"))
            connection.execute(text("SET FOREIGN_KEY_CHECKS = 1"))

    return empty


@pytest.fixture
def fresh_queues(amqp_url: str) -> Iterator[Callable[[Topology], None]]:
    """Declares a service's queues, empty, and deletes them after the test."""
    declared: list[Topology] = []

    def delete(topology: Topology) -> None:
        connection = connect(amqp_url, "tests")
        channel = connection.channel()
        for queue in topology.queues():
            channel.queue_delete(queue.name)
        connection.close()

    def declare(topology: Topology) -> None:
        delete(topology)
        topology.declare(amqp_url)
        declared.append(topology)

    yield declare
    for topology in declared:
        delete(topology)


@pytest.fixture
def fresh_readers(fresh_queues: Callable[[Topology], None]) -> Callable[[str], None]:
    """Declares the queues of all who read a publisher's events: it publishes nothing before."""

    def declare(publisher: str) -> None:
        for reader in readers_of(publisher):
            fresh_queues(reader)

    return declare


@pytest.fixture(scope="session")
def service_settings(servers: Servers, service_key: str) -> Callable[..., ServiceSettings]:
    """Makes a service's settings: real servers, throw-away secrets, and what the test overrides."""

    def make(kind: type[S], *, database: Database | None = None, **overrides: object) -> S:
        url = database.engine.url.render_as_string(hide_password=False) if database else "mysql://"
        settings: dict[str, object] = {
            "database_url": url,
            "amqp_url": servers.amqp_url,
            "redis_url": servers.redis_url,
            "service_token_key": service_key,
            "secret_key": secrets.token_urlsafe(48),
        }
        return kind(**{**settings, **overrides})  # type: ignore[arg-type]

    return make
