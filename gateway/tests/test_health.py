# SPDX-License-Identifier: Apache-2.0
import subprocess
from pathlib import Path

import pytest

from common.testing import eventually, ever_within


@pytest.mark.parametrize("path", ["/healthz", "/healthz/"])
def test_gateway_is_up_without_any_service(start_gateway, own_services, path):
    for service in own_services.values():
        service.stop()
    answer = start_gateway().ask(path)
    assert (answer.status, answer.json()) == (200, {"ok": True})


@pytest.mark.parametrize("path", ["/readyz", "/readyz/"])
def test_house_is_ready_when_every_service_is(gateway, services, path):
    answer = gateway.ask(path, headers={"Authorization": "nonsense"})
    assert answer.status == 200
    report = {"ok": True, "checks": {"database": {"ok": True}}}
    assert answer.json() == {"ok": True, "services": dict.fromkeys(services, report)}


def test_service_that_is_not_ready_is_named_with_its_reason(gateway, services, reply):
    body = b'{"ok": false, "checks": {"database": {"ok": false}}}'
    services["orders"].replies["/readyz"] = reply(503, body=body)
    answer = gateway.ask("/readyz")
    assert answer.status == 503
    assert answer.json()["ok"] is False
    assert answer.json()["services"]["orders"]["checks"] == {"database": {"ok": False}}
    assert answer.json()["services"]["auth"]["ok"] is True


@pytest.mark.parametrize("fault", ["down", "hangs", "breaks", "nonsense"])
def test_service_that_does_not_answer_is_named_soon(start_gateway, own_services, reply, fault):
    gateway = start_gateway()
    orders = own_services["orders"]
    orders.replies["/readyz"] = {
        "down": reply(),
        "hangs": reply(hangs=True),
        "breaks": reply(breaks=True),
        "nonsense": reply(body=b"<html>"),
    }[fault]
    if fault == "down":
        orders.stop()
    assert ever_within(2, lambda: gateway.ask("/readyz"))
    answer = gateway.ask("/readyz")
    assert answer.status == 503
    assert answer.json()["services"].pop("orders") == {"ok": False, "error": "no answer"}
    assert all(report["ok"] for report in answer.json()["services"].values() if "checks" in report)


@pytest.mark.parametrize("workers", [True, False], ids=["all", "master only"])
def test_gateway_comes_back_after_a_kill(start_gateway, own_services, issuer, workers):
    gateway = start_gateway()
    assert gateway.ask("/v1/orders", token=issuer.token()).status == 200
    orphans = gateway.workers()
    gateway.kill(workers=workers)
    gateway.start()
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans))
    assert gateway.ask("/v1/orders", token=issuer.token()).status == 200


def test_second_start_leaves_the_first_alone(start_gateway, issuer):
    gateway = start_gateway()
    run, log = gateway.settings["RUN_DIR"], gateway.settings["LOG_DIR"]
    command = [
        f"{gateway.settings['GATEWAY_DIR']}/start",
        gateway.directory / "nginx.conf",
        run,
        log,
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "runs already" in done.stderr
    assert gateway.ask("/v1/orders", token=issuer.token()).status == 200
