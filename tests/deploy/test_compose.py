# SPDX-License-Identifier: Apache-2.0
"""``deploy/compose.yaml``: every process has its own settings, and no right that it needs not."""

import re
from pathlib import Path

import pytest
import yaml

from souk_local.keyring import GATEWAY, SERVICES
from support.settings_of import faults

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = yaml.load((DEPLOY / "compose.yaml").read_text(), yaml.CSafeLoader)
CONTAINERS = COMPOSE["services"]
OURS = {name: one for name, one in CONTAINERS.items() if one["image"].startswith("souk-")}
PROCESSES = {name: one for name, one in OURS.items() if name not in {"auth-admin", "soukctl"}}
SHARED_SECRETS = {"REDIS_PASSWORD", "SERVICE_TOKEN_KEY"}
IMAGE = re.findall(r"^ENV ((?:.*\\\n)*.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)

every_process = pytest.mark.parametrize("name", PROCESSES)
every_container = pytest.mark.parametrize("name", CONTAINERS)


def owner(name):
    """The service that a container belongs to; gateway and shipper are one of their own."""
    return name.partition("-")[0]


def given_by_the_image():
    """What the gateway's image sets, the last one in the Dockerfile that sets anything."""
    return set(re.findall(r"(\w+)=", IMAGE[-1]))


def secrets_of(container):
    """The names of the secrets in a container's environment: those that must be there."""
    return set(re.findall(r"\$\{(\w+):\?", yaml.safe_dump(container.get("environment", {}))))


@every_process
def test_a_process_gets_the_settings_of_its_code_and_all_that_it_needs(name):
    given = set(CONTAINERS[name]["environment"])
    image = given_by_the_image() if name == GATEWAY else set()
    assert faults(owner(name), given | image) == []


def test_a_setting_that_nobody_has_is_found():
    given = set(CONTAINERS["orders-web"]["environment"])
    assert faults("orders", given | {"NGINX_PID"}) == ["orders has no setting NGINX_PID"]
    assert faults("orders", given - {"SECRET_KEY"}) == ["orders lacks SECRET_KEY"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_the_same_in_each_role(service):
    roles = [CONTAINERS[f"{service}-{role}"]["environment"] for role in ("migrate", "worker")]
    web = dict(CONTAINERS[f"{service}-web"]["environment"])
    web.pop("WEB_WORKERS")
    assert roles == [web, web]


@every_process
def test_no_process_sees_the_secret_of_another(name):
    of_a_service = SHARED_SECRETS | {
        f"{owner(name).upper()}_{kind}"
        for kind in ("DATABASE_PASSWORD", "BROKER_PASSWORD", "SECRET_KEY")
    }
    own = {
        "auth": of_a_service | {"JWT_PRIVATE_KEY"},
        "gateway": set(),
        "shipper": {"GATEWAY_BROKER_PASSWORD", "VIEW_LOG_KEY"},
    }
    assert secrets_of(CONTAINERS[name]) == own.get(owner(name), of_a_service)


@every_container
def test_a_container_has_no_rights_that_it_needs_not(name):
    container = CONTAINERS[name]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "pids_limit"} <= container.keys()
    assert not {"privileged", "cap_add", "pid", "network_mode", "ipc"} & container.keys()
    # Ours say who they are in their images; the others' images begin as root.
    assert name in OURS or "user" in container or "profiles" in container


def test_only_the_gateway_is_reached_from_outside_and_only_from_here_unless_told_otherwise():
    published = {name: one["ports"] for name, one in CONTAINERS.items() if "ports" in one}
    assert all("127.0.0.1" in port for ports in published.values() for port in ports)
    assert {name for name in published if "profiles" not in CONTAINERS[name]} == {GATEWAY}
    inner = {name for name, network in COMPOSE["networks"].items() if network.get("internal")}
    reaching_out = {name for name, one in CONTAINERS.items() if set(one["networks"]) - inner}
    assert reaching_out == {GATEWAY, "notifier-worker", "prometheus", "grafana"}


def test_the_shipper_is_renewed_before_the_gateway_whose_lines_it_reads():
    assert "shipper" in CONTAINERS[GATEWAY]["depends_on"]


def test_the_gateway_and_the_database_never_meet():
    assert not {*CONTAINERS[GATEWAY]["networks"]} & {*CONTAINERS["mysql"]["networks"]}


@pytest.mark.parametrize("service", SERVICES)
def test_a_process_waits_for_its_schema_and_the_worker_for_the_broker(service):
    web, worker = (CONTAINERS[f"{service}-{role}"]["depends_on"] for role in ("web", "worker"))
    migrated = {f"{service}-migrate": {"condition": "service_completed_successfully"}}
    assert migrated.items() <= web.items()
    assert {**web, "rabbitmq": {"condition": "service_healthy"}} == worker
    assert "mysql" in CONTAINERS[f"{service}-migrate"]["depends_on"]


@every_container
def test_every_image_has_a_version(name):
    image = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", CONTAINERS[name]["image"])
    assert re.search(r":v?\d", image), image


def test_no_stranger_may_sell_or_buy():
    stores = {one["environment"].get("OPEN_STORE") for one in PROCESSES.values()}
    assert stores == {"false", None}


def test_the_page_names_every_setting_with_its_default():
    asked = re.findall(r"\$\{(\w+):-(.*?)\}", (DEPLOY / "compose.yaml").read_text())
    page = (DEPLOY.parent / "docs" / "deployment.md").read_text()
    section = page.partition("## Docker Compose\n")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `(\w+)` \| `(.*?)` \|", section, re.MULTILINE)
    assert sorted(told) == sorted(set(asked))
