# SPDX-License-Identifier: Apache-2.0
"""The manifests: valid for Kubernetes, safe by policy, and whole. No cluster is asked."""

import copy
import json
import re
from functools import cache
from importlib.resources import files

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from common import gunicorn
from common.amqp import Topology
from common.contracts import SUBSCRIPTIONS
from support.custom_resources import SCHEMAS
from support.manifests import ROOT, name_of, of_kind, pods, without_hash

VERSIONS = ["1.30", "1.34", "1.37"]
"""The oldest that has sidecars and a sleep before the end, one in between, and the newest."""


# ---- what the API server would say -----------------------------------------------------------


@cache
def definitions(version):
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    common = json.loads((folder / "_definitions.json").read_text())
    return folder, Resource.from_contents(common) @ Registry()


@cache
def validator(version, kind, api_version):
    """kubernetes-validate's schemas; its own function would read two megabytes for each object."""
    if (kind, api_version) in SCHEMAS:
        return Draft202012Validator(SCHEMAS[kind, api_version])
    folder, registry = definitions(version)
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    schema = json.loads((folder / f"{kind.lower()}-{group}.json").read_text())
    return Draft202012Validator(schema, registry=Resource.from_contents(schema) @ registry)


def schema_faults(manifests, version):
    return [
        f"{each['kind']} {name_of(each)}: {error.json_path}: {error.message}"
        for each in manifests
        for error in validator(version, each["kind"], each["apiVersion"]).iter_errors(each)
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(overlay, version):
    assert schema_faults(overlay, version) == []


@pytest.mark.parametrize("kind", ["Deployment", "NetworkPolicy", "ScaledObject", "InnoDBCluster"])
def test_an_object_with_a_misspelt_field_is_found(everything, kind):
    broken = copy.deepcopy(of_kind(everything, kind)[0])
    broken["spec"]["mispelt"] = 1

    (fault,) = schema_faults([broken], VERSIONS[0])

    assert "mispelt" in fault


# ---- what pods may do ------------------------------------------------------------------------

POD_SECURITY = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
IMAGE = re.compile(r"[a-z0-9.:/_-]+:(?!latest$)[a-z0-9._-]*[0-9][a-z0-9._-]*")
VOLUMES = {"configMap", "emptyDir", "secret"}


def policy_faults(manifests):
    return [
        f"{pod.name}: {fault}"
        for pod in pods(manifests)
        for fault in [*pod_faults(pod), *container_faults(pod), *secret_faults(pod)]
    ]


def pod_faults(pod):
    spec, security = pod.spec, pod.spec.get("securityContext", {})
    if spec.get("automountServiceAccountToken") is not False:
        yield "mounts a token for the cluster"
    if spec.get("enableServiceLinks") is not False:
        yield "gets variables that nobody set"
    if any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")):
        yield "shares its node's namespaces"
    if not POD_SECURITY.items() <= security.items() or not security.get("runAsUser"):
        yield "may run as root, or without seccomp"
    for volume in spec.get("volumes", ()):
        ((kind, _),) = [item for item in volume.items() if item[0] != "name"]
        if kind not in VOLUMES or (kind == "emptyDir" and "sizeLimit" not in volume[kind]):
            yield f"has a volume {volume['name']} without bounds"


def container_faults(pod):
    for container in pod.containers():
        if container.get("securityContext") != CONTAINER_SECURITY:
            yield f"{container['name']} may do too much"
        amounts = container.get("resources", {})
        if any({"cpu", "memory"} - amounts.get(side, {}).keys() for side in ("requests", "limits")):
            yield f"{container['name']} has no limits"
        if pod.kind not in {"Job", "Pod"} and any(probe not in container for probe in PROBES):
            yield f"{container['name']} lacks a probe"
        if not IMAGE.fullmatch(container["image"]):
            yield f"{container['name']} has an image without a version"


def secret_faults(pod):
    """A pod sees its own service's Secret; in the gateway's pod only the shipper has one."""
    own = {f"{'shipper' if pod.service == 'gateway' else pod.service}-secrets"}
    named = re.findall(r'"secretRef": {"name": "(.+?)"|"secretName": "(.+?)"', json.dumps(pod.spec))
    for name in {without_hash(first or second) for first, second in named} - own:
        yield f"sees {name}"


def test_no_pod_may_do_more_than_it_needs(overlay):
    assert policy_faults(overlay) == []


def _first(manifests, kind="Deployment"):
    return of_kind(manifests, kind)[0]["spec"]["template"]["spec"]


PLANTED = {
    "mounts a token": lambda spec: spec.pop("automountServiceAccountToken"),
    "nobody set": lambda spec: spec.pop("enableServiceLinks"),
    "node's namespaces": lambda spec: spec.update(hostNetwork=True),
    "run as root": lambda spec: spec["securityContext"].update(runAsNonRoot=False),
    "without seccomp": lambda spec: spec["securityContext"].pop("seccompProfile"),
    "without bounds": lambda spec: spec["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
    "may do too much": lambda spec: spec["containers"][0]["securityContext"].update(
        readOnlyRootFilesystem=False
    ),
    "has no limits": lambda spec: spec["containers"][0]["resources"]["limits"].pop("memory"),
    "lacks a probe": lambda spec: spec["containers"][0].pop("livenessProbe"),
    "without a version": lambda spec: spec["containers"][0].update(image="souk-auth:latest"),
    "sees orders-secrets": lambda spec: spec["containers"][0]["envFrom"].append(
        {"secretRef": {"name": "orders-secrets"}}
    ),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_pod_that_may_do_more_is_found(production, fault):
    planted = copy.deepcopy(production)
    PLANTED[fault](_first(planted))

    assert [found for found in policy_faults(planted) if fault in found]


def test_the_namespace_lets_no_other_pods_in(overlay):
    (namespace,) = of_kind(overlay, "Namespace")

    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


# ---- what must fit together ------------------------------------------------------------------


def labelled(manifests, selector):
    return {pod.name for pod in pods(manifests) if selector.items() <= pod.labels.items()}


def test_every_service_leads_to_a_port_of_the_pods_of_one_workload(overlay):
    by_name = {pod.name: pod for pod in pods(overlay)}
    for service in of_kind(overlay, "Service"):
        (name,) = labelled(overlay, service["spec"]["selector"])
        named = {port["name"] for each in by_name[name].containers() for port in each["ports"]}

        assert {port["targetPort"] for port in service["spec"]["ports"]} <= named


def test_every_deployment_survives_the_draining_of_a_node(overlay):
    budgets = of_kind(overlay, "PodDisruptionBudget")
    covered = [labelled(overlay, each["spec"]["selector"]["matchLabels"]) for each in budgets]

    assert sorted(covered, key=sorted) == [{name_of(d)} for d in of_kind(overlay, "Deployment")]


def test_every_deployment_of_production_runs_twice_at_least(production):
    replicas = {name_of(d): d["spec"].get("replicas", 1) for d in of_kind(production, "Deployment")}
    for scaler in of_kind(production, "HorizontalPodAutoscaler", "ScaledObject"):
        spec = scaler["spec"]
        name = spec["scaleTargetRef"]["name"]
        # Two words about one number: each `kubectl apply` would take back what the scaler said.
        assert replicas[name] == 1
        replicas[name] = spec.get("minReplicas") or spec["minReplicaCount"]

    assert set(replicas.values()) == {2}


def test_no_two_objects_of_a_kind_wait_on_one_node(overlay):
    for pod in pods(overlay):
        if pod.kind == "Deployment":
            spread = pod.spec["topologySpreadConstraints"]
            assert {"kubernetes.io/hostname"} <= {each["topologyKey"] for each in spread}
            for each in spread:
                assert labelled(overlay, each["labelSelector"]["matchLabels"]) == {pod.name}


def test_all_that_the_demonstration_refers_to_is_there(demo):
    there = {(each["kind"], name_of(each)) for each in demo}
    text = json.dumps([pod.spec for pod in pods(demo)])
    accounts = {pod.spec.get("serviceAccountName") for pod in pods(demo)} - {None}

    assert {("ServiceAccount", name) for name in accounts} <= there
    for kind, pattern in (
        ("ConfigMap", r'"configMap(?:Ref)?": {"name": "(.+?)"'),
        ("Secret", r'"secretRef": {"name": "(.+?)"'),
        ("Secret", r'"secretName": "(.+?)"'),
    ):
        names = re.findall(pattern, text)
        assert names
        assert {(kind, name) for name in names} <= there


NGINX = (ROOT / "gateway/templates/nginx.conf.template").read_text()
HEARD_SECONDS = 5
"""For every node to hear that a pod is leaving; most take one."""


def nginx_seconds(directive):
    (seconds,) = set(re.findall(rf"\b{directive} (\d+)s;", NGINX))
    return int(seconds)


def test_a_pod_has_time_to_finish_what_it_holds(overlay):
    needed = {
        "web": gunicorn.graceful_timeout,
        "gateway": nginx_seconds("worker_shutdown_timeout"),
    }
    for pod in pods(overlay):
        if role := needed.get(pod.labels.get("app.kubernetes.io/component")):
            pause = pod.spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert pause + role < pod.spec["terminationGracePeriodSeconds"]


def test_a_service_ends_when_the_gateway_has_given_up_its_connections(overlay):
    """Else a POST on a kept connection would meet its end, and is never sent twice."""
    upstream = re.search(
        r"upstream auth .*? keepalive_time (\d+)s; keepalive_timeout (\d+)s;", NGINX
    )
    longest = HEARD_SECONDS + sum(map(int, upstream.groups()))
    pauses = {
        pod.spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        for pod in pods(overlay)
        if pod.labels.get("app.kubernetes.io/component") == "web"
    }

    assert pauses
    assert min(pauses) >= longest


def scraped(pod, port):
    """The labels under which Prometheus asks a pod at *port*; None where it does not."""
    (job,) = yaml.safe_load((ROOT / "deploy/k8s/prometheus.yml").read_text())["scrape_configs"]
    labels = {"__meta_kubernetes_pod_container_port_number": str(port)} | {
        f"__meta_kubernetes_pod_label_{re.sub('[^a-z]', '_', name)}": value
        for name, value in pod.labels.items()
    }
    for rule in job["relabel_configs"]:
        (source,) = rule["source_labels"]
        value = labels.get(source, "")
        matches = re.fullmatch(rule.get("regex", ".*"), value)
        if rule.get("action") == "keep" and not matches:
            return None
        if matches and "target_label" in rule:
            labels[rule["target_label"]] = rule.get("replacement", value)
    return labels["service"], labels["role"]


def test_prometheus_finds_every_process_under_the_labels_of_the_rules(overlay):
    text = (ROOT / "deploy/observability/prometheus/prometheus.yml").read_text()
    (compose,) = yaml.safe_load(text)["scrape_configs"]
    named = {tuple(each["labels"].values()) for each in compose["static_configs"]}
    found = [scraped(pod, port) for pod in pods(overlay) for port in pod.ports()]

    assert sorted(filter(None, found)) == sorted(named)


def test_workers_are_counted_by_the_queues_that_they_read(production):
    known = [
        queue.name
        for service, events in SUBSCRIPTIONS.items()
        for queue in Topology(service=service, events=events, streams=events).queues()
    ]
    counted = {
        name_of(each).removesuffix("-worker"): each["spec"]["triggers"]
        for each in of_kind(production, "ScaledObject")
    }

    assert counted.keys() == SUBSCRIPTIONS.keys()
    for service, (trigger,) in counted.items():
        pattern = re.compile(trigger["metadata"]["queueName"])
        read = Topology(service=service, events=SUBSCRIPTIONS[service]).queue_names()
        assert sorted(filter(pattern.search, known)) == sorted(read)


def test_the_demonstration_has_the_servers_of_compose(demo):
    """Those are tried with a real engine; these were not."""
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
    by_name = {pod.name: pod for pod in pods(demo) if pod.kind == "StatefulSet"}
    (settings,) = [each for each in of_kind(demo, "ConfigMap") if "souk.conf" in each["data"]]
    broker = (ROOT / "deploy/rabbitmq.conf").read_text()

    for name, pod in by_name.items():
        assert compose[name]["image"].endswith(f":-{pod.spec['containers'][0]['image']}}}")
    assert by_name["mysql"].spec["containers"][0]["args"] == compose["mysql"]["command"]
    assert settings["data"]["souk.conf"] == re.sub(r"^#.*\n", "", broker, flags=re.MULTILINE)
