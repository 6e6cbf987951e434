# SPDX-License-Identifier: Apache-2.0
"""What ``kubectl apply`` would send, rendered without a cluster."""

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from souk_local.kubernetes import write_secrets

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "deploy" / "k8s"
OLDEST_KUSTOMIZE = (5, 0)
WORKLOADS = {"Deployment", "StatefulSet", "Job", "Pod"}
HASH = re.compile(r"-[0-9a-z]{10}$")

Manifest = dict[str, Any]


def why_not() -> str | None:
    """Why nothing can be rendered on this machine, if so."""
    if shutil.which("kubectl") is None:
        return "kubectl is not installed"
    command = ["kubectl", "version", "--client", "--output=json"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    version = told.get("kustomizeVersion", "v0.0")
    if tuple(int(part) for part in version.lstrip("v").split(".")[:2]) < OLDEST_KUSTOMIZE:
        return f"this kubectl has kustomize {version}, and components need 5"
    return None


def copied(directory: Path) -> Path:
    """The manifests in a place where secrets may be made and components switched on."""
    shutil.copytree(MANIFESTS, directory, ignore=shutil.ignore_patterns("secrets"))
    write_secrets(directory / "overlays" / "demo" / "secrets")
    return directory


def with_every_component(production: Path) -> None:
    """Take in the components that production only names."""
    file = production / "kustomization.yaml"
    file.write_text(file.read_text().replace("# - ../../components", "- ../../components"))


def rendered(overlay: Path) -> list[Manifest]:
    """An overlay, and the operator's pod, which may be there at any time."""
    return [*_rendered(overlay), *_rendered(overlay.parents[1] / "operator")]


def _rendered(overlay: Path) -> list[Manifest]:
    command = ["kubectl", "kustomize", str(overlay)]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return list(yaml.load_all(result.stdout, Loader=yaml.CSafeLoader))


def name_of(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])


def of_kind(manifests: Iterable[Manifest], *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def without_hash(name: str) -> str:
    """The name of a ConfigMap or Secret as it was written, before kustomize marked its content."""
    return HASH.sub("", name)


@dataclass(frozen=True)
class Pod:
    """The pods of one workload."""

    name: str
    kind: str
    labels: dict[str, str]
    spec: dict[str, Any]

    @property
    def service(self) -> str:
        return self.labels["app.kubernetes.io/name"]

    def containers(self) -> list[dict[str, Any]]:
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]

    def ports(self) -> set[int]:
        return {
            port["containerPort"] for each in self.containers() for port in each.get("ports", ())
        }


def pods(manifests: Iterable[Manifest]) -> Iterator[Pod]:
    for manifest in of_kind(manifests, *WORKLOADS):
        template = manifest if manifest["kind"] == "Pod" else manifest["spec"]["template"]
        labels = template["metadata"]["labels"]
        yield Pod(name_of(manifest), manifest["kind"], labels, template["spec"])


def environment(manifests: Iterable[Manifest], container: dict[str, Any]) -> dict[str, str | None]:
    """What a container finds in its environment; None where a Secret is not among *manifests*."""
    found: dict[str, str | None] = {}
    stored = {name_of(each): each for each in of_kind(manifests, "ConfigMap", "Secret")}
    for source in container.get("envFrom", ()):
        ((_, reference),) = source.items()
        if origin := stored.get(reference["name"]):
            found |= _values(origin)
    return found


def _values(origin: Manifest) -> dict[str, str]:
    if origin["kind"] == "ConfigMap":
        return dict(origin["data"])
    return {name: base64.b64decode(value).decode() for name, value in origin["data"].items()}
