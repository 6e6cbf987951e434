# SPDX-License-Identifier: Apache-2.0
"""The gateway's nginx, with the configuration that the gateway's own renderer makes."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from souk_local.servers.server import LOOPBACK, Server, accepts_connections, write_private

MODULES = "/usr/lib/nginx/modules"


class GatewayConfigurationRefused(Exception):
    """The gateway's renderer refused its settings."""


@dataclass(frozen=True, kw_only=True)
class Nginx(Server):
    """The gateway.

    Args:
        gateway: the folder of the template, the njs modules and the renderer.
        settings: what the template wants beyond its paths and its address.
    """

    name: ClassVar[str] = "gateway"
    stop_signal: ClassVar[str] = "QUIT"
    stop_seconds: ClassVar[int] = 20

    port: int
    gateway: Path
    logs: Path
    settings: Mapping[str, str] = field(repr=False)

    @property
    def configuration(self) -> Path:
        return self.directory / "nginx.conf"

    @property
    def view_log(self) -> Path:
        return self.directory / "views.log"

    def command(self) -> list[str]:
        start = self.gateway / "start"
        return [str(start), str(self.configuration), str(self.directory), str(self.logs)]

    def prepare(self) -> None:
        super().prepare()
        self.logs.mkdir(parents=True, exist_ok=True)
        write_private(self.configuration, self._rendered())

    def is_ready(self) -> bool:
        return accepts_connections(self.port)

    def _rendered(self) -> str:
        placeholders = {
            "LISTEN": f"{LOOPBACK}:{self.port}",
            "RUN_DIR": str(self.directory),
            "LOG_DIR": str(self.logs),
            "GATEWAY_DIR": str(self.gateway),
            "MODULES_DIR": MODULES,
            "VIEW_LOG": str(self.view_log),
        }
        result = subprocess.run(
            [sys.executable, str(self.gateway / "render.py")],
            check=False,
            capture_output=True,
            text=True,
            env={"PATH": os.defpath, **placeholders, **self.settings},
        )
        if result.returncode:
            raise GatewayConfigurationRefused(result.stderr.strip())
        return result.stdout
