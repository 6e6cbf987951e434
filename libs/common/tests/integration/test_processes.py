# SPDX-License-Identifier: Apache-2.0
"""Real processes: a worker that ends as it should, a web role that answers, a broker that dies."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

import orjson
import pytest

from common.testing import eventually
from souk_local.ports import free_port

WORKER = """
import sys
from common.health import Check
from common.logs import configure_logs
from common.settings import Settings
from common.worker import Periodic, run_worker

configure_logs("testing")

def patient(stop):
    stop.wait()
    print("patient ended", flush=True)

def deadly(stop):
    stop.wait(0.2)
    raise LookupError("canary")

def finishing(stop):
    stop.wait(0.2)

def away():
    raise OSError("away")

rounds = []
def sometimes():
    rounds.append(1)
    print("round", len(rounds), flush=True)
    if len(rounds) == 1:
        raise LookupError("only the first")

tasks = {
    "patient": patient,
    "deadly": deadly,
    "finishing": finishing,
    "periodic": Periodic(name="periodic", seconds=0.05, work=sometimes),
}
checks = [Check(name="database", ask=away if "--away" in sys.argv else (lambda: None))]
names = [name for name in sys.argv[1:] if name in tasks]
run_worker(Settings.load(), {name: tasks[name] for name in names}, checks)
"""


def fetch(port, path):
    """Status and body, or None where nobody answers yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return None


@contextmanager
def process(*command, **environment):
    """A process of ours alone; it is gone when the block ends."""
    started = subprocess.Popen(
        [sys.executable, *command],
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.communicate()


@contextmanager
def worker(*arguments):
    port = free_port()
    with process("-c", WORKER, *arguments, WORKER_PORT=str(port)) as started:
        yield started, port


def test_a_worker_answers_probes_and_ends_on_sigterm():
    with worker("patient") as (started, port):
        ready = eventually(lambda: fetch(port, "/readyz"), seconds=30)
        alive, metrics = fetch(port, "/healthz"), fetch(port, "/metrics")
        nothing = fetch(port, "/else")
        started.send_signal(signal.SIGTERM)
        output, _ = started.communicate(timeout=15)

    assert (ready[0], orjson.loads(ready[1])["ok"]) == (200, True)
    assert (alive[0], orjson.loads(alive[1])) == (200, {"ok": True})
    assert (metrics[0], nothing[0]) == (200, 404)
    assert b"souk_outbox_oldest_seconds" in metrics[1]
    assert "patient ended" in output
    assert started.returncode == 0


def test_a_worker_whose_database_is_away_is_alive_and_not_ready():
    with worker("patient", "--away") as (_, port):
        status, body = eventually(lambda: fetch(port, "/readyz"), seconds=30)
        alive = fetch(port, "/healthz")

    assert (status, orjson.loads(body)["checks"]["database"]["ok"]) == (503, False)
    assert alive[0] == 200


def test_when_one_task_dies_the_process_ends_with_an_error_and_the_others_end_well():
    with worker("patient", "deadly") as (started, _):
        output, _ = started.communicate(timeout=30)

    assert started.returncode == 1
    assert "patient ended" in output
    (died,) = [line for line in output.splitlines() if '"task_died"' in line]
    assert orjson.loads(died)["task"] == "deadly"


def test_a_periodic_task_survives_a_bad_round():
    with worker("periodic") as (started, _):
        assert started.stdout is not None
        lines = []
        for line in started.stdout:
            lines.append(line)
            if "round 3" in line:
                break
        started.send_signal(signal.SIGTERM)
        started.communicate(timeout=15)

    assert any('"round_failed"' in line for line in lines)
    assert started.returncode == 0


def test_settings_that_are_wrong_end_a_role_with_all_faults_and_no_value():
    with process("-m", "catalog", "web", HTTP_PORT="canary-5b") as started:
        output, _ = started.communicate(timeout=60)

    assert started.returncode == 1
    for name in ("DATABASE_URL", "AMQP_URL", "REDIS_URL", "SECRET_KEY", "HTTP_PORT"):
        assert f"  {name}: " in output
    assert "canary-5b" not in output
    assert "Traceback" not in output


def test_settings_that_are_wrong_end_a_leader_that_has_read_none():
    with process("-m", "catalog", "web", "--bind=127.0.0.1:0", CURRENCY="canary-5c") as started:
        output, _ = started.communicate(timeout=60)

    assert started.returncode
    for name in ("DATABASE_URL", "AMQP_URL", "REDIS_URL", "SECRET_KEY", "CURRENCY"):
        assert output.count(f"  {name}: ") == 1
    assert "canary-5c" not in output
    assert "Traceback" not in output


@pytest.fixture
def environment(servers, new_schema, service_key):
    return {
        "DATABASE_URL": new_schema("catalog"),
        "AMQP_URL": servers.amqp_url,
        "REDIS_URL": servers.redis_url,
        "SERVICE_TOKEN_KEY": service_key,
        "SECRET_KEY": service_key[::-1],
        "HTTP_PORT": str(free_port()),
        "WORKER_PORT": str(free_port()),
    }


def test_the_web_role_answers_and_leaves_nothing_behind(environment, tmp_path):
    with process("-m", "catalog", "migrate", **environment) as migrating:
        output, _ = migrating.communicate(timeout=60)
        assert migrating.returncode == 0, output
    port = environment["HTTP_PORT"]
    with process("-c", "") as killed:
        killed.communicate(timeout=30)
    of_killed = tmp_path / f"souk-catalog-{killed.pid}-a1b2c3d4"
    others = {
        tmp_path / f"souk-catalog-{os.getpid()}-a1b2c3d4",
        tmp_path / f"souk-orders-{killed.pid}-a1b2c3d4",
    }
    for directory in (of_killed, *others):
        directory.mkdir()
        (directory / "counter_1.db").touch()

    with process("-m", "catalog", "web", **environment, TMPDIR=str(tmp_path)) as started:
        alive = eventually(lambda: fetch(port, "/healthz"), seconds=60)
        ready = fetch(port, "/readyz")
        listed = fetch(port, "/v1/products")
        metrics = fetch(port, "/metrics")
        left = set(tmp_path.iterdir())
        started.send_signal(signal.SIGTERM)
        output, _ = started.communicate(timeout=30)

    assert (alive[0], orjson.loads(alive[1])) == (200, {"ok": True})
    assert (ready[0], orjson.loads(ready[1])["ok"]) == (200, True)
    assert (listed[0], orjson.loads(listed[1])) == (200, {"items": [], "next_cursor": None})
    assert b'souk_request_seconds_count{method="GET",route="/v1/products"' in metrics[1]
    assert started.returncode == 0, output
    logged = [orjson.loads(line) for line in output.splitlines() if line.startswith("{")]
    (request,) = [line for line in logged if line.get("path") == "/v1/products"]
    assert (request["service"], request["status"]) == ("catalog", 200)
    assert b"\nsouk_pool_limit_connections 8.0\n" in metrics[1]
    assert b'pid="' not in metrics[1], "a gauge is told for each process"
    assert of_killed not in left, "a killed process's files stayed behind"
    assert set(tmp_path.iterdir()) == others, "the metrics' files stayed behind"
