# SPDX-License-Identifier: Apache-2.0
"""The distribution's packages that a stack needs, and their installation where it is allowed."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from souk_local.executables import search_path

INSTALLER = Path(__file__).with_name("install-packages.sh")
LOG_TAIL_LINES = 15

# Asked for by the files that we use, not by the package manager's word: a server that was
# installed in another way will do as well.
FILES = {
    "mariadb-server": ("mariadbd", "mariadb-install-db"),
    "rabbitmq-server": ("/usr/lib/rabbitmq/bin/rabbitmq-server", "epmd"),
    "redis-server": ("redis-server",),
    "nginx": ("nginx",),
    "libnginx-mod-http-js": ("/usr/lib/nginx/modules/ngx_http_js_module.so",),
}
TOOLS = {"prometheus": ("promtool",), "strace": ("strace",), "wrk": ("wrk",)}
"""What no stack needs, and some tests and benchmarks do."""


class PackagesMissing(Exception):
    """Packages are missing and could not be installed; the message names the way out."""


def missing(files: Mapping[str, Iterable[str]] = FILES) -> list[str]:
    """The packages of which this machine lacks a file."""
    path = search_path()
    return [
        package
        for package, names in files.items()
        if not all(_is_present(name, path) for name in names)
    ]


def ensure_installed(packages: Iterable[str] = FILES) -> list[str]:
    """Install those of the packages that are missing and return them.

    Raises:
        PackagesMissing: without the right to install, or when the installation failed.
    """
    known = {**FILES, **TOOLS}
    wanted = missing({package: known[package] for package in packages})
    if wanted:
        _install(wanted)
    return wanted


def installation_command(packages: Iterable[str]) -> str:
    """The command that an administrator runs to install them without starting services."""
    return shlex.join(["sudo", str(INSTALLER), *packages])


def _install(packages: list[str]) -> None:
    command = [*_privilege(packages), str(INSTALLER), *packages]
    result = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if result.returncode:
        tail = "\n".join(result.stdout.splitlines()[-LOG_TAIL_LINES:])
        raise PackagesMissing(
            f"Installing {' '.join(packages)} failed:\n{tail}\n"
            f"Put that right, or install them yourself:\n\n    {installation_command(packages)}\n"
        )


def _privilege(packages: list[str]) -> list[str]:
    if shutil.which("apt-get", path=search_path()) is None:
        raise PackagesMissing(
            f"Missing: {', '.join(packages)}. This machine has no apt-get; "
            "install the servers of these Debian packages in your distribution's way."
        )
    if os.geteuid() == 0:
        return []
    if _may_use_sudo():
        return ["sudo", "-n"]
    raise PackagesMissing(
        f"Missing: {', '.join(packages)}. Installing them needs root. "
        f"Run this and try again:\n\n    {installation_command(packages)}\n"
    )


def _may_use_sudo() -> bool:
    if shutil.which("sudo") is None:
        return False
    return subprocess.run(["sudo", "-n", "true"], check=False, capture_output=True).returncode == 0


def _is_present(name: str, path: str) -> bool:
    return (
        Path(name).exists() if name.startswith("/") else shutil.which(name, path=path) is not None
    )
