# SPDX-License-Identifier: Apache-2.0
"""A stack in which answers get lost: a proxy of ours on the cables of catalog and orders."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from random import Random

from souk_local.environments import Environments
from souk_local.stack import Stack
from support.proxy import COMMIT, PUBLISH, RESERVE, Proxy, Then

WORDS = {
    ("catalog", "DATABASE_URL"): COMMIT,
    ("orders", "DATABASE_URL"): COMMIT,
    ("catalog", "AMQP_URL"): PUBLISH,
    ("orders", "AMQP_URL"): PUBLISH,
    ("orders", "CATALOG_URL"): RESERVE,
}
"""By service and setting, the words whose answer matters most: receipts, confirms, responses."""


@dataclass(frozen=True)
class WiredEnvironments(Environments):
    """Settings that lead through the proxies."""

    wires: Mapping[tuple[str, str], Proxy] = field(default_factory=dict)

    def service(self, service: str) -> dict[str, str]:
        plain = super().service(service)
        return plain | {
            setting: wire.url(plain[setting])
            for (whose, setting), wire in self.wires.items()
            if whose == service
        }


class WiredStack(Stack):
    """A stack whose answers can be lost between its processes."""

    @cached_property
    def environments(self) -> Environments:
        plain = super().environments
        known = {each.name: getattr(plain, each.name) for each in fields(plain)}
        return WiredEnvironments(**known, wires=self.wires)

    @cached_property
    def wires(self) -> Mapping[tuple[str, str], Proxy]:
        ports = {
            "DATABASE_URL": self.ports.mariadb,
            "AMQP_URL": self.ports.rabbitmq,
            "CATALOG_URL": self.ports.catalog,
        }
        return {
            (service, setting): Proxy("127.0.0.1", ports[setting]) for service, setting in WORDS
        }

    def down(self) -> None:
        super().down()
        for wire in self.wires.values():
            wire.close()


@dataclass(frozen=True)
class Loss:
    """The next answer of one kind is lost: it was done, and whoever asked is not told.

    Attributes:
        where: The service, and the setting that leads to whom it asks.
        then: The connection ends, or it hangs for as long as the one who asked is patient.
        programs: Those that something is done to: none.
    """

    where: tuple[str, str]
    then: Then
    programs: tuple[str, ...] = ()

    def __str__(self) -> str:
        service, setting = self.where
        ending = "the connection cut" if self.then == "cut" else "the connection hanging"
        return f"{service}'s {setting}: an answer lost, {ending}"


def losses_of_each_kind(chances: Random) -> list[Loss]:
    """One of every kind, in any order."""
    made = [Loss(where, chances.choice(["cut", "hang"])) for where in WORDS]
    chances.shuffle(made)
    return made
