# SPDX-License-Identifier: Apache-2.0
"""Who may talk to whom: this table, and nothing that is not in it."""

import copy
import re
from urllib.parse import urlsplit

import pytest

from support.addresses import used_by
from support.manifests import environment, name_of, of_kind, pods
from support.reachability import Peer, peers, reached

MYSQL, REDIS, RABBITMQ = "mysql:3306", "redis:6379", "rabbitmq:5672"
AUTH, CATALOG, ORDERS, NOTIFIER, ANALYTICS = (
    f"{service}-web:8000" for service in ("auth", "catalog", "orders", "notifier", "analytics")
)
WEBS = {AUTH, CATALOG, ORDERS, NOTIFIER, ANALYTICS}
WORKERS = {web.replace("-web:", "-worker:") for web in WEBS}

FRONT_DOOR = "gateway:8080"
"""For everybody who is not one of our own pods."""

EDGES = {
    "observability": {"gateway:8000", *WEBS, *WORKERS},
    # nginx calls the services, the shipper tells the broker of views.
    "gateway": {*WEBS, RABBITMQ},
    "auth-web": {MYSQL, REDIS},
    "auth-worker": {MYSQL, RABBITMQ},
    # Front doors ask auth for keys and epochs. Those of services that read events also show and
    # send back dead letters, and replay.
    "catalog-web": {AUTH, MYSQL, REDIS, RABBITMQ},
    "catalog-worker": {MYSQL, RABBITMQ},
    "orders-web": {AUTH, CATALOG, MYSQL, REDIS, RABBITMQ},
    # Settles what a crash between reserving and confirming left behind.
    "orders-worker": {CATALOG, MYSQL, RABBITMQ},
    "notifier-web": {AUTH, MYSQL, REDIS, RABBITMQ},
    "notifier-worker": {MYSQL, RABBITMQ},
    # The audit, dead letters and timelines of the whole shop.
    "analytics-web": {AUTH, CATALOG, ORDERS, NOTIFIER, MYSQL, REDIS, RABBITMQ},
    # The audit by the clock.
    "analytics-worker": {CATALOG, ORDERS, MYSQL, RABBITMQ},
    # A person with soukctl, while there is one.
    "operator": {FRONT_DOOR, MYSQL, REDIS, RABBITMQ},
} | {web.replace("-web:8000", "-migrate"): {MYSQL} for web in WEBS}

MEANT = {
    "database": MYSQL,
    "redis": REDIS,
    "amqp": RABBITMQ,
    "auth": AUTH,
    "jwks": AUTH,
    "catalog": CATALOG,
    "orders": ORDERS,
    "notifier": NOTIFIER,
}
"""What is behind the settings that end in ``_url``; a replica is a MySQL like its source."""

DNS = "names:53"
OUTSIDE = [
    Peer("client", namespace="ingress"),
    Peer(
        "names",
        {"k8s-app": "kube-dns"},
        "kube-system",
        listens=frozenset({("TCP", 53), ("UDP", 53)}),
    ),
    Peer("observability", namespace="observability", listens=frozenset({("TCP", 4318)})),
    Peer("api-server", namespace="kube-system", listens=frozenset({("TCP", 443)})),
    Peer("internet", address="198.51.100.7", listens=frozenset({("TCP", 80), ("TCP", 443)})),
]
SERVERS = {
    "production": {
        MYSQL: {"address": "192.0.2.5"},
        REDIS: {"address": "192.0.2.20"},
        RABBITMQ: {"address": "192.0.2.40"},
    },
    "everything": {
        # The router's own ports, for the server that may write and for copies.
        "mysql:6446": {"labels": {"component": "mysqlrouter"}, "namespace": "souk-data"},
        "mysql:6447": {"labels": {"component": "mysqlrouter"}, "namespace": "souk-data"},
        REDIS: {"address": "192.0.2.20"},
        RABBITMQ: {
            "labels": {
                "app.kubernetes.io/name": "rabbitmq",
                "app.kubernetes.io/component": "rabbitmq",
            },
            "namespace": "souk-data",
        },
    },
}
SENDS_MAILS = ("notifier-worker", "internet:443")


def foreigners(kind):
    """Who is not one of our pods: the world, the cluster's own, and servers elsewhere."""
    servers = [
        Peer(name, listens=frozenset({("TCP", int(port))}), **where)
        for server, where in SERVERS.get(kind, {}).items()
        for name, port in [server.split(":")]
    ]
    return [*OUTSIDE, *servers]


def ways(manifests, kind):
    """The open ways; what foreigners do among themselves is not ours to say."""
    foreign = foreigners(kind)
    names = {peer.name for peer in foreign}
    found = reached(manifests, [*peers(manifests), *foreign])
    return {way for way in found if not {way[0], way[1].split(":")[0]} <= names}


def wanted(manifests, kind):
    edges = {(sender, receiver) for sender, those in EDGES.items() for receiver in those}
    edges |= {(foreigner.name, FRONT_DOOR) for foreigner in foreigners(kind)}
    edges |= {(pod.name, DNS) for pod in pods(manifests)}
    if kind != "demo":
        edges.add(SENDS_MAILS)
    if kind == "everything":
        edges |= {
            (name, "observability:4318") for name in EDGES if name.endswith(("-web", "-worker"))
        }
        asking = {sender for sender, receiver in edges if receiver == MYSQL}
        edges -= {(sender, MYSQL) for sender in asking}
        edges |= {(sender, f"mysql:{port}") for sender in asking for port in (6446, 6447)}
    return edges


@pytest.fixture(params=["demo", "production", "everything"])
def kind(request):
    return request.param


@pytest.fixture
def manifests(kind, request):
    return request.getfixturevalue(kind)


def test_the_open_ways_are_those_of_the_table(manifests, kind):
    assert ways(manifests, kind) == wanted(manifests, kind)


@pytest.mark.parametrize(
    ("policy", "way"),
    [
        ("calls-to-catalog", ("orders-worker", CATALOG)),
        ("rabbitmq-from-webs", ("orders-web", RABBITMQ)),
        ("names", ("auth-web", DNS)),
    ],
)
def test_a_policy_that_is_missing_is_found(production, policy, way):
    fewer = [each for each in production if name_of(each) != policy]

    assert way in ways(production, "production")
    assert way not in ways(fewer, "production")


def test_a_policy_that_lets_too_much_in_is_found(production):
    wider = copy.deepcopy(production)
    (policy,) = [each for each in wider if name_of(each) == "calls-to-catalog"]
    policy["spec"]["ingress"][0]["from"].append({"podSelector": {}})

    assert ways(wider, "production") - wanted(production, "production") == {
        ("auth-web", CATALOG),
        ("auth-worker", CATALOG),
        ("catalog-worker", CATALOG),
        ("notifier-web", CATALOG),
        ("notifier-worker", CATALOG),
    }


def test_without_any_policy_everything_is_open(demo):
    open_house = [each for each in demo if each["kind"] != "NetworkPolicy"]

    assert {("client", "auth-worker:8000"), ("client", MYSQL), ("redis", MYSQL)} <= ways(
        open_house, "demo"
    )


def test_the_services_that_settings_name_are_those_that_the_table_lets_them_call(demo):
    """By both doors together: they have the same settings."""
    named, let = {}, {}
    for pod in pods(demo):
        if pod.kind in {"StatefulSet", "Pod"}:  # no service of ours
            continue
        for container in pod.containers():
            named.setdefault(pod.service, set()).update(_addresses(environment(demo, container)))
        let.setdefault(pod.service, set()).update(EDGES[pod.name])

    assert named == let


@pytest.mark.parametrize("service", ["auth", "catalog", "orders", "notifier", "analytics"])
@pytest.mark.parametrize(("door", "module"), [("web", "app"), ("worker", "worker")])
def test_the_table_is_what_the_code_does(service, door, module):
    """By what each door imports: a worker that begins to call another service is found here."""
    used = {MEANT[name] for name in used_by(f"{service}.{module}") & MEANT.keys()}
    # Auth asks its own database instead of itself.
    used -= {AUTH} if service == "auth" else set()

    assert EDGES[f"{service}-{door}"] == used


def test_every_address_in_the_settings_has_a_service_that_listens_there(demo):
    listening = {
        f"{name_of(service)}:{port['port']}"
        for service in of_kind(demo, "Service")
        for port in service["spec"]["ports"]
    }
    for pod in pods(demo):
        for container in pod.containers():
            assert _addresses(environment(demo, container)) <= listening


def _addresses(settings):
    """Every ``host:port`` that one of the settings names."""
    urls = {urlsplit(value).netloc.rpartition("@")[2] for value in settings.values() if value}
    hosts = {value for name, value in settings.items() if name.endswith("_UPSTREAM")}
    return {address for address in urls | hosts if re.fullmatch(r"[a-z-]+:\d+", address)}
