# SPDX-License-Identifier: Apache-2.0
"""A house of real processes in which every cable goes through a proxy of ours."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from common.amqp import Topology, readers_of
from common.amqp.connection import connect
from common.contracts import SUBSCRIPTIONS, VIEWS
from common.testing import eventually
from faults.house import (
    FAULTS,
    PASSWORD,
    SERVICES,
    THREADS,
    Broker,
    Caller,
    House,
    Reply,
    everything_works,
    heal,
    running,
    stop_all,
)
from support.proxy import Proxy


def _forget_queues(url: str) -> None:
    connection = connect(url, "faults")
    channel = connection.channel()
    for service, events in SUBSCRIPTIONS.items():
        for queue in Topology(service=service, events=events, streams=VIEWS).queues():
            channel.queue_delete(queue.name)
    connection.close()


@pytest.fixture(scope="package")
def no_queues(amqp_url) -> Iterator[None]:
    """No queue of any service is there before this room, nor after it."""
    _forget_queues(amqp_url)
    yield
    _forget_queues(amqp_url)


@pytest.fixture(scope="package")
def private_key() -> str:
    """What auth signs with."""
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


@pytest.fixture(scope="package")
def wires(servers) -> Iterator[dict[str, Proxy]]:
    """A proxy before each dependency of each role; ``…/auth`` and ``…/catalog`` come with them."""
    made = {}
    for service in SERVICES:
        for role in (service, f"{service}-worker"):
            made[f"{role}/database"] = Proxy.before(servers.database_url, 3306)
        made[f"{service}/redis"] = Proxy.before(servers.redis_url, 6379)
        made[f"{service}-worker/broker"] = Proxy.before(servers.amqp_url, 5672)
    yield made
    for wire in made.values():
        wire.close()


@pytest.fixture(scope="package")
def environments(servers, wires, database_of, service_key, private_key):
    """Gives each role's settings; needs the house for its ports."""
    signing = secrets.token_urlsafe(48)

    def make(service: str, role: str, ports: Mapping[str, int], urls: Mapping[str, str]):
        schema = database_of(service).engine.url.render_as_string(hide_password=False)
        broker = wires[f"{service}-worker/broker"]
        return {
            # A proxy can't read what is encrypted.
            "DATABASE_URL": wires[f"{role}/database"].url(f"{schema}?ssl_disabled=1"),
            "REDIS_URL": wires[f"{service}/redis"].url(servers.redis_url),
            "AMQP_URL": broker.url(servers.amqp_url),
            "SERVICE_TOKEN_KEY": service_key,
            "SECRET_KEY": signing,
            "JWT_PRIVATE_KEY": private_key,
            "HTTP_PORT": str(ports[service]),
            "WORKER_PORT": str(ports[f"{service}-worker"]),
            "WEB_THREADS": str(THREADS),
            "PENDING_SECONDS": "2",
            "SWEEP_SECONDS": "0.2",
            "OVERDUE_SWEEP_SECONDS": "0.5",
            "PYTHONUNBUFFERED": "1",
            **urls,
        }

    return make


@pytest.fixture(scope="package")
def house(
    servers, wires, database_of, clean, environments, no_queues, tmp_path_factory
) -> Iterator[House]:
    broker = Broker(servers.amqp_url)
    for reader in (reader for service in SERVICES for reader in readers_of(service)):
        reader.declare(servers.amqp_url)  # also of those who do not live here
    databases = {service: database_of(service) for service in SERVICES}
    for database in databases.values():
        clean(database)  # other rooms had it before, and left their admins and keys
    made = House(wires, databases, broker)
    for service in ("catalog", "orders"):
        wires[f"{service}/auth"] = Proxy("127.0.0.1", made.ports["auth"])
    wires["orders/catalog"] = Proxy("127.0.0.1", made.ports["catalog"])
    wires["orders-worker/catalog"] = Proxy("127.0.0.1", made.ports["catalog"])
    logs = tmp_path_factory.mktemp("house")

    def role(service: str, kind: str):
        name = service if kind == "web" else f"{service}-worker"
        auth = wires.get(f"{service}/auth")
        catalog = wires.get(f"{name}/catalog")
        urls = {}
        if auth is not None:
            urls["AUTH_URL"] = f"http://127.0.0.1:{auth.port}"
            urls["JWKS_URL"] = f"{urls['AUTH_URL']}/.well-known/jwks.json"
        if catalog is not None:
            urls["CATALOG_URL"] = f"http://127.0.0.1:{catalog.port}"
        environment = environments(service, name, made.ports, urls)
        made.environments[name] = environment
        return running(logs / f"{name}.log", service, kind, environment=environment)

    admin = environments("auth", "auth", made.ports, {}) | {
        "ADMIN_USERNAME": "root",
        "ADMIN_EMAIL": "root@mail.example",
        "ADMIN_PASSWORD": PASSWORD,
    }
    roles = [(service, kind) for service in SERVICES for kind in ("web", "worker")]
    with ExitStack() as processes:
        started = [processes.enter_context(role(*each)) for each in roles]
        with running(logs / "admin.log", "auth", "create-admin", environment=admin) as creating:
            assert creating.wait(timeout=60) == 0, (logs / "admin.log").read_text()
        for name in made.ports:
            eventually(lambda name=name: made.is_ready(name), seconds=60, what=f"{name} ready")
        login = {"login": "root", "password": PASSWORD}
        made.admin_token = made.caller("auth").post("/v1/auth/login", login).body["access_token"]
        made.regular, made.staple = made.caller("orders", made.sign_up()), made.product(10_000)
        yield made
        heal(wires)
        stop_all(started)
    broker.close()


@pytest.fixture
def well(house) -> Iterator[House]:
    """The house without a fault, before the test and after it."""
    yield house
    heal(house.wires)
    everything_works(house)


@pytest.fixture
def buyer(well) -> Caller:
    """A new customer at orders' door, known there already."""
    caller = well.caller("orders", well.sign_up())
    assert caller.get("/v1/cart").status == 200
    return caller


@pytest.fixture(params=FAULTS)
def fault(request) -> Callable[[Proxy], None]:
    """What befalls a dependency: it is gone, slow by four seconds, or it hangs."""
    return FAULTS[request.param]


@pytest.fixture
def crowd() -> Iterator[Callable[..., list[Reply]]]:
    """Makes three times as many calls at once as a service has threads."""
    with ThreadPoolExecutor(3 * THREADS) as pool:

        def call(act: Callable[[], Reply]) -> list[Reply]:
            return list(pool.map(lambda _: act(), range(3 * THREADS)))

        yield call
