# SPDX-License-Identifier: Apache-2.0
"""More of nginx: the gateway without what comes after its logs, and a server of plain files."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from souk_local.ports import free_ports
from souk_local.processes import ServerProcess
from souk_local.servers import Nginx
from souk_local.servers.server import LOOPBACK, Server, accepts_connections, write_private
from souk_local.stack import Stack

VIEWS = 'access_log "{view_log}$nothing" views if=$is_view;'
WORKERS = "2"
"""Of both sides alike."""


@dataclass(frozen=True, kw_only=True)
class Unwatched(Nginx):
    """The gateway without its view log."""

    def prepare(self) -> None:
        super().prepare()
        line, text = VIEWS.format(view_log=self.view_log), self.configuration.read_text()
        if line not in text:
            raise AssertionError(f"the template has no longer this line: {line}")
        write_private(self.configuration, text.replace(line, ""))


@dataclass(frozen=True, kw_only=True)
class Files(Server):
    """nginx with one page as a file, as the distribution sets it up: with a log of requests."""

    name: ClassVar[str] = "files"
    stop_signal: ClassVar[str] = "QUIT"

    port: int
    page: bytes

    def command(self) -> list[str]:
        return ["nginx", "-p", str(self.directory), "-c", str(self.directory / "nginx.conf")]

    def prepare(self) -> None:
        super().prepare()
        (self.directory / "page.json").write_bytes(self.page)
        user = "user root;" if self.directory.owner() == "root" else ""
        write_private(
            self.directory / "nginx.conf",
            f"""{user} daemon off; worker_processes {WORKERS}; pid nginx.pid; error_log error.log;
            events {{ worker_connections 4096; }}
            http {{
                access_log access.log combined; sendfile on; tcp_nopush on;
                types {{ application/json json; }}
                server {{ listen {LOOPBACK}:{self.port}; root {self.directory}; }}
            }}""",
        )

    def is_ready(self) -> bool:
        return accepts_connections(self.port)


@contextmanager
def gateway(stack: Stack, kind: type[Nginx] = Nginx) -> Iterator[str]:
    """One more gateway to the services of *stack*, whose view log nobody ships; its address."""
    made = stack.environments.nginx
    with _directory() as directory:
        [port] = free_ports(1)
        server = kind(
            directory=directory,
            port=port,
            gateway=made.gateway,
            logs=directory / "logs",
            settings=made.settings,
        )
        with _running(server):
            yield f"http://{LOOPBACK}:{port}"


@contextmanager
def files(page: bytes) -> Iterator[str]:
    """The address of *page* as a file."""
    with _directory() as directory:
        [port] = free_ports(1)
        with _running(Files(directory=directory, port=port, page=page)):
            yield f"http://{LOOPBACK}:{port}"


@contextmanager
def _directory() -> Iterator[Path]:
    # A short path: the gateway's sockets are in it. Its workers may be another user's.
    directory = Path(tempfile.mkdtemp(prefix="souk-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _running(server: Server) -> Iterator[None]:
    process = ServerProcess.start(server)
    try:
        process.wait_until_ready()
        yield
    finally:
        process.stop()
