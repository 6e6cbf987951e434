# SPDX-License-Identifier: Apache-2.0
"""Who reaches whom, computed from NetworkPolicies as Kubernetes defines them.

A connection needs a policy for the sender's way out and one for the receiver's way in; whoever is
selected by no policy of a direction is open in it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from support.manifests import Manifest, of_kind, pods

NAMESPACE = "souk"
NAMESPACE_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Peer:
    """A pod, or with an address somebody outside.

    Attributes:
        listens: Protocol and port.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = NAMESPACE
    address: str | None = None
    listens: frozenset[tuple[str, int]] = frozenset()


def peers(manifests: Iterable[Manifest]) -> list[Peer]:
    """The pods of the manifests."""
    return [
        Peer(pod.name, pod.labels, listens=frozenset(("TCP", port) for port in pod.ports()))
        for pod in pods(manifests)
    ]


def reached(manifests: Iterable[Manifest], known: Iterable[Peer]) -> set[tuple[str, str]]:
    """Every open way, as the sender and ``receiver:port``."""
    policies, known = of_kind(manifests, "NetworkPolicy"), list(known)
    return {
        (sender.name, f"{receiver.name}:{port}")
        for sender in known
        for receiver in known
        if sender != receiver
        for protocol, port in receiver.listens
        if _is_open(policies, "egress", sender, receiver, protocol, port)
        and _is_open(policies, "ingress", receiver, sender, protocol, port)
    }


def _is_open(
    policies: list[Manifest], way: str, own: Peer, other: Peer, protocol: str, port: int
) -> bool:
    """Whether *own* may send to *other* (egress), or be sent to by it (ingress)."""
    chosen = [
        policy["spec"]
        for policy in policies
        if own.namespace == policy["metadata"]["namespace"]
        and own.address is None
        and way.capitalize() in policy["spec"]["policyTypes"]
        and _selects(policy["spec"]["podSelector"], own.labels)
    ]
    side = "to" if way == "egress" else "from"
    rules = [rule for spec in chosen for rule in spec.get(way, ())]
    return not chosen or any(
        _has_port(rule, protocol, port)
        and (side not in rule or any(_is_meant(peer, other) for peer in rule[side]))
        for rule in rules
    )


def _has_port(rule: dict[str, Any], protocol: str, port: int) -> bool:
    given = rule.get("ports")
    return given is None or any(
        each.get("protocol", "TCP") == protocol and each["port"] == port for each in given
    )


def _is_meant(said: dict[str, Any], peer: Peer) -> bool:
    if block := said.get("ipBlock"):
        return peer.address is not None and _is_in(block, peer.address)
    if peer.address is not None:
        return False
    is_near = peer.namespace == NAMESPACE
    if (namespaces := said.get("namespaceSelector")) is not None:
        is_near = _selects(namespaces, {NAMESPACE_LABEL: peer.namespace})
    return is_near and _selects(said.get("podSelector", {}), peer.labels)


def _is_in(block: dict[str, Any], address: str) -> bool:
    one = ip_address(address)
    return one in ip_network(block["cidr"]) and not any(
        one in ip_network(hole) for hole in block.get("except", ())
    )


def _selects(selector: dict[str, Any], labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels", {})
    expressions = selector.get("matchExpressions", ())
    if unknown := [each for each in expressions if each["operator"] != "In"]:
        raise NotImplementedError(f"only In is used so far: {unknown}")
    return wanted.items() <= labels.items() and all(
        labels.get(each["key"]) in each["values"] for each in expressions
    )
