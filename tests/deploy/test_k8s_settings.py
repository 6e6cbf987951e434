# SPDX-License-Identifier: Apache-2.0
"""Every process is given the settings of its code, its own secrets, and nothing else."""

import copy
import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from souk_local.environments import OPERATOR, Environments
from souk_local.keyring import GATEWAY, SERVICES, Keyring
from souk_local.kubernetes import write_secrets
from souk_local.ports import Ports
from souk_local.servers.rabbitmq import own_queues_and_exchanges
from support.manifests import MANIFESTS, ROOT, environment, of_kind, pods, without_hash
from support.settings_of import faults

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
PLAIN = {*SERVICES, "shipper"}
"""The processes whose settings are a ``Config``; the gateway's are a template's."""


def documented():
    """The Secrets of production: which keys each must have and which it may have."""
    lines = (MANIFESTS / "README.md").read_text().splitlines()
    rows = [line.split("|")[1:4] for line in lines if "-secrets` |" in line]
    return {
        re.findall("`(.+)-secrets`", name)[0]: tuple(
            set(re.findall(r"`([A-Z0-9_]+)`", keys)) for keys in (must, may)
        )
        for name, must, may in rows
    }


def containers(manifests):
    """Every container of ours with the name of its process."""
    for pod in pods(manifests):
        if pod.kind not in {"StatefulSet", "Pod"}:
            for container in pod.containers():
                process = container["name"] if pod.service == GATEWAY else pod.service
                yield process, container


def gateway_image():
    """What deploy/Dockerfile says of the gateway's image, and its variables."""
    (stage,) = re.findall(
        r"^FROM \S+ AS gateway$.*?(?=^FROM )", DOCKERFILE, re.MULTILINE | re.DOTALL
    )
    (variables,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", stage, re.MULTILINE)
    return stage, dict(re.findall(r"(\w+)=(\S+)", variables))


def setting_faults(manifests, secrets):
    return [
        fault
        for process, container in containers(manifests)
        for fault in faults(
            process,
            environment(of_kind(manifests, "ConfigMap"), container).keys()
            | secrets.get(process, set())
            | (gateway_image()[1].keys() if process == GATEWAY else set()),
        )
    ]


def test_production_gives_every_process_its_settings(production, everything):
    needed = {process: must for process, (must, _) in documented().items()}
    possible = {process: must | may for process, (must, may) in documented().items()}

    assert setting_faults(production, needed) == []
    assert setting_faults(everything, possible) == []


def test_the_demonstration_gives_every_process_its_settings(demo):
    made = {
        without_hash(each["metadata"]["name"]).removesuffix("-secrets"): each["data"].keys()
        for each in of_kind(demo, "Secret")
    }

    assert setting_faults(demo, made) == []
    # Nothing optional is in it, and what production needs is the same.
    assert {name: set(made[name]) for name in [*PLAIN, OPERATOR]} == {
        name: must for name, (must, _) in documented().items() if name in made
    }


@pytest.mark.parametrize("misspelt", ["CATALOGUE_URL", "SECRETKEY"])
def test_a_setting_that_a_service_does_not_have_is_found(production, misspelt):
    planted = copy.deepcopy(production)
    secrets = {process: must for process, (must, _) in documented().items()}
    for each in of_kind(planted, "ConfigMap"):
        if each["metadata"]["name"].startswith("orders-settings"):
            each["data"][misspelt] = "x"

    assert set(setting_faults(planted, secrets)) == {f"orders has no setting {misspelt}"}


def test_a_secret_that_is_missing_is_found(production):
    secrets = {process: must for process, (must, _) in documented().items()}
    secrets["catalog"] = secrets["catalog"] - {"AMQP_URL"}

    assert set(setting_faults(production, secrets)) == {"catalog lacks AMQP_URL"}


def test_the_local_stack_gives_every_process_all_it_needs(tmp_path):
    """It may give more: one set of addresses serves all services there."""
    stack = Environments(tmp_path, Ports(), Keyring.generate(), tmp_path)
    given = {name: stack.service(name) for name in SERVICES} | {"shipper": stack.shipper()}

    assert [
        fault
        for process, values in given.items()
        for fault in faults(process, values)
        if " lacks " in fault
    ] == []


@pytest.mark.parametrize("kind", ["demo", "production"])
def test_every_process_would_start_with_what_it_is_given(demo, kind, request, monkeypatch):
    """Values as well as names. Production's secrets are the demonstration's here."""
    manifests = request.getfixturevalue(kind)
    made = {
        without_hash(each["metadata"]["name"]): each["metadata"]["name"]
        for each in of_kind(demo, "Secret")
    }
    for process, container in containers(manifests):
        if process not in PLAIN:
            continue
        own = {"envFrom": [{"secretRef": {"name": made[f"{process}-secrets"]}}]}
        with monkeypatch.context() as patch:
            for name, value in (environment(manifests, container) | environment(demo, own)).items():
                patch.setenv(name, value)
            config = import_module(f"{process}.config").Config.load()

        listens = config.http_port if container["name"] == "web" else config.worker_port
        assert {each["containerPort"] for each in container.get("ports", ())} <= {listens}
        assert config.worker_host == "0.0.0.0"


def test_the_gateway_and_its_shipper_mean_the_same_log(production):
    stage, image = gateway_image()
    (pod,) = [pod for pod in pods(production) if pod.service == GATEWAY]
    shipper, gateway = pod.containers()
    told = environment(production, shipper)
    shared = {
        mount["mountPath"] for mount in shipper["volumeMounts"] if mount in gateway["volumeMounts"]
    }

    assert told["VIEW_LOG"] == image["VIEW_LOG"]
    assert {str(Path(told[name]).parent) for name in ("VIEW_LOG", "VIEW_OFFSET")} <= shared
    assert image["LISTEN"] == f"0.0.0.0:{gateway['ports'][0]['containerPort']}"
    user = pod.spec["securityContext"]
    assert f"USER {user['runAsUser']}:{user['runAsGroup']}\n" in stage
    assert "secret" not in str(gateway).lower()
    assert "STOPSIGNAL SIGQUIT\n" in stage  # TERM would cut connections off


def test_the_broker_of_the_demonstration_gives_each_user_its_own_queues(place):
    text = (place / "overlays/demo/secrets/rabbitmq-definitions.json").read_text()
    rights = {each["user"]: each for each in yaml.safe_load(text)["permissions"]}

    assert rights.keys() == {*SERVICES, GATEWAY, OPERATOR}
    for user in [*SERVICES, GATEWAY]:
        for verb in ("configure", "write", "read"):
            assert rights[user][verb] == own_queues_and_exchanges(user)


def test_the_database_of_the_demonstration_gives_each_user_its_own_schema(place):
    text = (place / "overlays/demo/secrets/mysql-users.sql").read_text()
    grants = re.findall(r"^GRANT .*? ON (\S+) TO (\S+);$", text, re.MULTILINE)

    assert grants == [(f"`{name}`.*", f"`{name}`@`%`") for name in SERVICES]


def test_nobody_but_the_owner_reads_the_secrets(place):
    secrets = [*(place / "overlays/demo/secrets").iterdir()]

    assert secrets
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}


def test_a_second_time_the_secrets_stay_what_they_are(place):
    file = place / "overlays/demo/secrets/orders.env"
    before = file.read_text()
    write_secrets(file.parent)

    assert file.read_text() == before
