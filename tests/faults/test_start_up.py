# SPDX-License-Identifier: Apache-2.0
"""Everything starts before anything that it needs, and is there when that is: no restart."""

import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import pytest

from common.migrations import migrate_to_head
from common.roles import migrations_of
from common.testing import eventually
from faults.house import Caller, running, stop_all
from souk_local.ports import free_port
from support.proxy import Proxy

SERVICES = ("auth", "catalog", "orders", "notifier", "analytics")
WEBS = ("auth", "catalog")
"""The other services' web processes are made of the same parts."""
ORDER = ("redis", "broker", "database")


@dataclass(frozen=True)
class Role:
    """One process and its operators' door."""

    name: str
    process: Popen
    log: Path
    door: Caller

    def answers(self, path: str, status: int) -> bool:
        return self.door.get(path).status == status


@pytest.fixture
def absent(servers):
    """The way to the servers, which is not there yet."""
    wires = {
        "database": Proxy.before(servers.database_url, 3306),
        "redis": Proxy.before(servers.redis_url, 6379),
        "broker": Proxy.before(servers.amqp_url, 5672),
    }
    for wire in wires.values():
        wire.refuse()
    yield wires
    for wire in wires.values():
        wire.close()


@pytest.fixture
def schemas(new_schema):
    """An empty schema for each service."""
    return {service: new_schema(service) for service in SERVICES}


@pytest.fixture
def roles(servers, absent, schemas, no_queues, service_key, private_key, tmp_path):
    """Every service's worker, and two web processes, started into the void."""
    with ExitStack() as processes:
        started = []
        for service in SERVICES:
            ports = {"HTTP_PORT": free_port(), "WORKER_PORT": free_port()}
            environment = {
                "DATABASE_URL": absent["database"].url(schemas[service]),
                "REDIS_URL": absent["redis"].url(servers.redis_url),
                "AMQP_URL": absent["broker"].url(servers.amqp_url),
                "AUTH_URL": "http://127.0.0.1:1",
                "JWKS_URL": "http://127.0.0.1:1/jwks.json",
                "SERVICE_TOKEN_KEY": service_key,
                "SECRET_KEY": secrets.token_urlsafe(48),
                "JWT_PRIVATE_KEY": private_key,
                "MAIL_BACKEND": "file",
                "MAIL_DIR": str(tmp_path),
                "EMAIL_SOURCE": "shop@souk.example",
                **{name: str(port) for name, port in ports.items()},
            }
            for kind, port in zip(("web", "worker"), ports.values(), strict=True):
                if kind == "web" and service not in WEBS:
                    continue
                log = tmp_path / f"{service}-{kind}.log"
                process = processes.enter_context(
                    running(log, service, kind, environment=environment)
                )
                door = Caller(url=f"http://127.0.0.1:{port}")
                started.append(Role(f"{service} {kind}", process, log, door))
        yield started
        stop_all(role.process for role in started)


@pytest.mark.slow
def test_processes_that_were_there_first_become_ready_without_a_restart(roles, absent, schemas):
    for role in roles:
        eventually(
            lambda role=role: role.answers("/healthz", 200), seconds=90, what=f"{role.name} alive"
        )
        assert role.answers("/readyz", 503), f"{role.name} says that it is ready with nothing"

    for dependency in ORDER:
        absent[dependency].heal()
    auth = next(role for role in roles if role.name == "auth web")
    for role in roles:
        if role is not auth:
            eventually(
                lambda role=role: role.answers("/readyz", 200),
                seconds=30,
                what=f"{role.name} ready",
            )
    assert auth.answers("/readyz", 503), "auth is ready without its table of keys"
    # The tables come last of all. The workers have looked for them, and are still there.
    workers = [role for role in roles if role.name.endswith("worker")]
    for role in workers:
        eventually(
            lambda role=role: (
                '"errno":1146' in role.log.read_text() or role.process.poll() is not None
            ),
            seconds=30,
            what=f"{role.name} looked for its tables",
        )
    for service, url in schemas.items():
        migrate_to_head(url, migrations_of(service))

    eventually(lambda: auth.answers("/readyz", 200), seconds=30, what="auth ready")
    catalog = next(role for role in roles if role.name == "catalog web")
    eventually(lambda: catalog.answers("/v1/products", 200), what="products")
    for role in roles:
        assert role.process.poll() is None, role.log.read_text()[-2000:]
        eventually(lambda role=role: role.answers("/readyz", 200), what=f"{role.name} ready")
        assert "task_died" not in role.log.read_text()
