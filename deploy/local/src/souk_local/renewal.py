# SPDX-License-Identifier: Apache-2.0
"""Every process of the product replaced by one with the code of today, while the shop runs."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from souk_local.commands import run_python
from souk_local.console import Terminal
from souk_local.environments import Environments
from souk_local.keyring import SERVICES
from souk_local.programs import SHIPPER
from souk_local.startup import Startup
from souk_local.supervision import Supervisor
from soukctl.gateway import GatewayClient

PATIENCE_SECONDS = 120.0
POLL_SECONDS = 0.1
READY = '"web_process_ready"'


class NotRenewed(Exception):
    """There is nothing that could be replaced, or a new process did not become ready."""


@dataclass(frozen=True)
class Renewal:
    """Replaces process after process; each old one goes when its successor is ready.

    The order is the services', then the shipper and the gateway. The schemas are migrated first:
    migrations only add, so the old code runs on.
    """

    environments: Environments
    supervisor: Supervisor
    terminal: Terminal

    def run(self) -> None:
        """Renew everything.

        Raises:
            CommandFailed: New code does not start; the service was not touched.
            NotRenewed: It started and did not become ready.
        """
        with self.terminal.step("Migrating the schemas"):
            Startup(self.environments, self.supervisor, self.terminal).migrate()
        for service in SERVICES:
            with self.terminal.step(f"Renewing {service}"):
                self.renew(service)
        with self.terminal.step("Renewing the shipper and the gateway"):
            self._renew_worker(SHIPPER)
            self._reload_gateway()

    def renew(self, service: str) -> None:
        """Replace a service's web processes one after the other, then its worker."""
        # gunicorn ends altogether when a new process can not start, so this is found out before.
        must_start = f"from {service}.app import create_app; create_app()"
        run_python(["-c", must_start], self.environments.service(service))
        self.renew_web(f"{service}-web")
        self._renew_worker(f"{service}-worker")

    def renew_web(self, program: str) -> None:
        """One process more with the new code, and when it is ready the oldest goes.

        gunicorn's own reload (SIGHUP) sends the old ones away at once: until the new ones have
        imported everything, seconds later, nobody would answer.
        """
        leader = self._pid(program)
        for _oldest in children_of(leader):
            self._replace_oldest(leader, program)

    def _replace_oldest(self, leader: int, program: str) -> None:
        log, before = self.supervisor.log(program), children_of(leader)
        end = log.stat().st_size
        os.kill(leader, signal.SIGTTIN)
        self._wait(lambda: children_of(leader) - before, f"{program}'s new process")
        (new,) = children_of(leader) - before
        self._wait(lambda: _says_ready(log, end, new), f"{program}'s process {new}")
        # It answers on its kept connections for some seconds more; nobody has to wait for its end.
        os.kill(leader, signal.SIGTTOU)

    def _renew_worker(self, program: str) -> None:
        """A worker finishes its batch and ends; what comes meanwhile waits for its successor."""
        self.supervisor.end(program)
        self.supervisor.begin(program)
        worker = GatewayClient(self.environments.address(program))
        self._wait(worker.is_ready, f"{program} ready")

    def _reload_gateway(self) -> None:
        gateway = self.environments.nginx
        gateway.prepare()
        leader = self._pid(gateway.name)
        before = children_of(leader)
        os.kill(leader, signal.SIGHUP)
        # Its old processes end when their last requests and connections have.
        self._wait(lambda: len(children_of(leader) - before) >= len(before), "the gateway's reload")
        self._wait(GatewayClient(self.environments.gateway_url).is_ready, "the gateway ready")

    def _pid(self, program: str) -> int:
        (pid,) = (one.pid for one in self.supervisor.statuses() if one.name == program)
        return pid

    def _wait(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise NotRenewed(f"Waited {PATIENCE_SECONDS:.0f} s in vain for {what}.")
            time.sleep(POLL_SECONDS)


def children_of(leader: int) -> set[int]:
    """The processes that a program's leader has started."""
    return {int(pid) for pid in Path(f"/proc/{leader}/task/{leader}/children").read_text().split()}


def _says_ready(log: Path, begin: int, pid: int) -> bool:
    with log.open() as lines:
        lines.seek(begin if log.stat().st_size >= begin else 0)
        return any(READY in line and f'"pid":{pid},' in line for line in lines)
