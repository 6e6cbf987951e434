# SPDX-License-Identifier: Apache-2.0
"""The containers of one stack, by ``docker compose``."""

import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from souk_local.compose.env_file import keyring_of
from souk_local.console import Terminal
from souk_local.environments import ADMIN_EMAIL, ADMIN_USERNAME, OPERATOR
from souk_local.keyring import Keyring
from souk_local.kubernetes import files
from souk_local.servers.rabbitmq import definitions
from souk_local.servers.server import write_private
from soukctl import demo
from soukctl.gateway import START_SECONDS, GatewayClient

READY_SECONDS = 180.0
POLL_SECONDS = 0.5
MAILS = "/var/lib/souk/mail"


class DockerSilent(Exception):
    """There is no engine that answers, or it has no Compose."""


class ContainersFailed(Exception):
    """The containers did not come up; the message says which, and where to look."""


@dataclass(frozen=True)
class Containers:
    """One stack in containers.

    Args:
        compose_file: ``deploy/compose.yaml``.
        env_file: its secrets; made when they are first needed.
        directory: what the servers start with, made of those secrets, and the credentials.
        project: Compose's name for the stack, before each volume's and container's.
        variables: settings of ``compose.yaml`` that count more than those in *env_file*.
    """

    compose_file: Path
    env_file: Path
    directory: Path
    project: str = "souk"
    variables: Mapping[str, str] = field(default_factory=dict)
    terminal: Terminal = field(default_factory=Terminal)

    def up(self) -> Keyring:
        """Build, start, migrate, make the admin and the demo data; safe to repeat.

        Raises:
            DockerSilent, ContainersFailed, DemoRefused: with a message that says what to do.
        """
        self.refuse_silence()
        with self.terminal.step("Writing secrets and what the servers start with"):
            keyring = self.prepare()
        # Compose's own progress is the best there is: a first build takes minutes.
        if self._compose("up", "--detach", "--build", "--remove-orphans").returncode:
            raise ContainersFailed(self._told("The containers did not start"))
        with self.terminal.step("Waiting until the gateway is ready"):
            self.wait_until_ready()
        with self.terminal.step("Making the demo data"):
            client = GatewayClient(self.url(), patience_seconds=START_SECONDS)
            admin = client.logged_in(ADMIN_USERNAME, keyring.admin_password)
            demo.populate(admin, customer_password=keyring.demo_password)
        self._write_credentials(keyring)
        return keyring

    def down(self, *, with_data: bool = False) -> None:
        """Stop and remove the containers; their data stays unless told otherwise.

        Raises:
            DockerSilent, ContainersFailed: with a message that says what to do.
        """
        self.refuse_silence()
        self.prepare()
        # Every profile's: Prometheus would hold the network otherwise.
        everything = ["--profile", "*", "down", "--remove-orphans"]
        if self._compose(*everything, *(["--volumes"] if with_data else [])).returncode:
            raise ContainersFailed(self._told("The containers are not all gone"))

    def prepare(self) -> Keyring:
        """Make the secrets that are missing, and the servers' files."""
        keyring = keyring_of(self.env_file)
        # The engine mounts the files for users of other numbers; the folder keeps everybody out.
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in _servers_files(keyring).items():
            # In place: a running container's mount follows the file, not the name.
            path = self.directory / name
            path.write_text(text)
            path.chmod(0o644)
        return keyring

    def url(self) -> str:
        """Where clients reach the gateway."""
        found = self._compose("port", "gateway", "8080", capture=True).stdout.strip()
        return f"http://{found.replace('0.0.0.0', '127.0.0.1')}"  # noqa: S104 - read, not bound

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        gateway = GatewayClient(self.url())
        while not gateway.is_ready():
            if time.monotonic() > deadline:
                raise ContainersFailed(self._told(f"Not ready: {gateway.readiness().body}"))
            time.sleep(POLL_SECONDS)

    def fetch_mails(self, folder: Path) -> None:
        """Copy the mails that were sent so far; one that is being written comes with the next."""
        self._compose("cp", f"notifier-worker:{MAILS}/.", str(folder), capture=True)

    def refuse_silence(self) -> None:
        """Raises DockerSilent, with what Docker says, where nothing can be started."""
        for command in (["docker", "info"], ["docker", "compose", "version"]):
            try:
                done = subprocess.run(command, check=False, capture_output=True, text=True)
            except FileNotFoundError as error:
                raise DockerSilent("There is no `docker` here. `make up` needs none.") from error
            if done.returncode:
                said = (done.stderr or done.stdout).strip().splitlines()[-1]
                raise DockerSilent(
                    f"`{' '.join(command)}` fails: {said}\n"
                    "Is the engine running, and may you use it? `make up` needs no Docker."
                )

    def _write_credentials(self, keyring: Keyring) -> None:
        admin = {
            "username": ADMIN_USERNAME,
            "email": ADMIN_EMAIL,
            "password": keyring.admin_password,
        }
        text = json.dumps({"gateway": self.url(), "admin": admin}, indent=2)
        write_private(self.directory / "credentials.json", text + "\n")

    def _told(self, what: str) -> str:
        """*what*, with the state of every container that is not well."""
        listed = self._compose("ps", "--all", "--format", "{{.Service}}: {{.Status}}", capture=True)
        ill = [
            line
            for line in listed.stdout.splitlines()
            if not line.endswith(("(healthy)", "Exited (0)")) and "Exited (0)" not in line
        ]
        logs = f"docker compose -f {self.compose_file} -p {self.project} logs SERVICE"
        return "\n".join([f"{what}. Not well are:", *ill, f"`{logs}` tells why."])

    def _compose(self, *arguments: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
        command = ["docker", "compose", "--file", str(self.compose_file)]
        command += ["--project-name", self.project, "--env-file", str(self.env_file)]
        chosen = {"SOUK_DIRECTORY": str(self.directory), **self.variables}
        return subprocess.run(
            [*command, *arguments],
            check=False,
            env=os.environ | chosen,
            capture_output=capture,
            text=True,
        )


def _servers_files(keyring: Keyring) -> dict[str, str]:
    """The same users with the same rights as everywhere else."""
    made = files(keyring)
    broker = definitions(keyring.broker, {OPERATOR: keyring.broker_operator})
    return {
        "mysql-users.sql": made["mysql-users.sql"],
        "rabbitmq-definitions.json": json.dumps(broker, indent=2),
        "redis.conf": made["redis.conf"],
    }
