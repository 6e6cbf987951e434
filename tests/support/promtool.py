# SPDX-License-Identifier: Apache-2.0
"""Prometheus' own tool: what is installed, else a container's, else the distribution's package."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from common.testing.servers import docker_answers
from souk_local.packages import PackagesMissing, ensure_installed

IMAGE = os.environ.get("SOUK_TEST_PROMETHEUS_IMAGE", "prom/prometheus:v2.53.3")

Promtool = Callable[..., subprocess.CompletedProcess[str]]


def find_promtool() -> Promtool:
    """Runs promtool in a directory: ``promtool("check", "rules", "alerts.yml", cwd=rules)``."""
    if shutil.which("promtool") or not _has_image():
        try:
            ensure_installed(["prometheus"])
        except PackagesMissing as error:
            pytest.skip(f"there is no promtool. {error}")
        return lambda *arguments, cwd: _run("promtool", *arguments, cwd=cwd)
    return lambda *arguments, cwd: _run(*_in_container(cwd), *arguments, cwd=cwd)


def _has_image() -> bool:
    if not docker_answers():
        return False
    known = subprocess.run(["docker", "image", "inspect", IMAGE], check=False, capture_output=True)
    if known.returncode == 0:
        return True
    pulled = subprocess.run(["docker", "pull", "-q", IMAGE], check=False, capture_output=True)
    return pulled.returncode == 0


def _in_container(directory: Path) -> list[str]:
    options = ["--rm", "--network=none", f"--volume={directory}:/rules:ro", "--workdir=/rules"]
    return ["docker", "run", *options, "--entrypoint=promtool", IMAGE]


def _run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
