# SPDX-License-Identifier: Apache-2.0
"""A whole stack of its own, beside whatever else runs on this machine."""

import json
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from common.testing import eventually
from souk_local import leftovers
from souk_local.__main__ import REPOSITORY
from souk_local.console import Terminal
from souk_local.port_holders import PortTaken
from souk_local.ports import Ports
from souk_local.stack import DirectoryTooLong, Stack
from soukctl.demo import PRODUCTS
from soukctl.gateway import GatewayClient

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    # Not below pytest's own folder, whose path may be too long for the sockets.
    directory = Path(tempfile.mkdtemp(prefix="souk-stack-"))
    quiet = Terminal(Console(quiet=True))
    running = Stack(directory, Ports.free(), REPOSITORY / "gateway", quiet)
    try:
        running.up()
        yield running
    finally:
        running.purge()
        shutil.rmtree(directory, ignore_errors=True)


def pids(stack: Stack) -> dict[str, int]:
    return {line.name: line.pid for line in stack.status()}


def products(stack: Stack) -> list[dict]:
    client = GatewayClient(stack.environments.gateway_url)
    return client.get("/v1/products?limit=100").body["items"]


def test_the_credentials_log_the_admin_in(stack):
    path = stack.directory / "credentials.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    credentials = json.loads(path.read_text())
    assert set(credentials) == {"gateway", "admin"}
    admin = credentials["admin"]
    client = GatewayClient(credentials["gateway"])
    for login in (admin["username"], admin["email"]):
        assert client.logged_in(login, admin["password"]).get("/v1/users/me").status == 200


def test_the_demo_shop_is_there_once(stack):
    assert sorted(p["sku"] for p in products(stack)) == sorted(p.sku for p in PRODUCTS)


def test_every_process_runs_and_has_memory(stack):
    lines = stack.status()
    assert len(lines) == 16
    assert {line.state for line in lines} == {"RUNNING"}
    assert all(line.memory_bytes > 100_000 for line in lines)


def test_repeating_up_changes_nothing(stack):
    before = pids(stack)
    stack.up()
    assert pids(stack) == before
    assert len(products(stack)) == len(PRODUCTS)


def test_a_killed_process_is_started_again(stack):
    before = pids(stack)["shipper"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: pids(stack)["shipper"] not in {0, before}, seconds=30)
    eventually(stack.supervisor.all_running, seconds=30)


def test_up_recovers_from_a_killed_supervisor_and_keeps_the_data(stack):
    orphan = pids(stack)["mariadb"]
    os.kill(int(stack.supervisor.pid_file.read_text()), signal.SIGKILL)
    eventually(lambda: not stack.supervisor.is_alive())
    assert orphan in leftovers.find(stack.directory)

    stack.up()

    assert pids(stack)["mariadb"] != orphan
    assert stack.supervisor.all_running()
    assert len(products(stack)) == len(PRODUCTS)


def test_another_stack_on_the_same_ports_is_told_who_holds_them(stack, tmp_path):
    quiet = Terminal(Console(quiet=True))
    with pytest.raises(
        PortTaken, match=rf"Port {stack.ports.gateway} \(gateway\) is taken by nginx"
    ):
        Stack(tmp_path / "run", stack.ports, REPOSITORY / "gateway", quiet).up()
    assert stack.supervisor.all_running()


def test_a_directory_too_long_for_sockets_is_refused(tmp_path):
    directory = tmp_path / ("x" * 90)
    with pytest.raises(DirectoryTooLong, match="--run-directory"):
        Stack(directory, Ports(), REPOSITORY / "gateway").up()
    assert not directory.exists()


def test_down_leaves_the_data_and_no_process(stack):
    stack.down()
    assert leftovers.find(stack.directory) == []
    assert (stack.directory / "mariadb" / "data").is_dir()
    assert stack.status() == []
