# SPDX-License-Identifier: Apache-2.0
"""The shipper as a process, with a real broker."""

import itertools
import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from uuid import uuid4

import pytest

from common.amqp import readers_of
from common.amqp.connection import connect
from common.testing import eventually
from shipper import offsets
from shipper.tail import bytes_behind
from souk_local.ports import free_port

[READER] = readers_of("gateway")
QUEUE = "analytics.products_viewed"


class Process:
    def __init__(self, directory, amqp_url):
        self.log = directory / "views.log"
        self.offset = directory / "offset.json"
        self.port = free_port()
        self.environment = os.environ | {
            "AMQP_URL": amqp_url,
            "VIEW_LOG": str(self.log),
            "VIEW_LOG_KEY": secrets.token_hex(32),
            "VIEW_OFFSET": str(self.offset),
            "WORKER_PORT": str(self.port),
        }
        self.process = None

    def start(self):
        command = [sys.executable, "-m", "shipper", "worker"]
        self.process = subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(15)

    def ask(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as got:
                return got.status, got.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return None, ""

    def look(self, count):
        """Write *count* views; their request ids."""
        ids = [uuid4().hex for _ in range(count)]
        view = {"time": 1795226400.5, "product_id": 7, "user": "", "status": 200}
        viewer = {"path": "/product/7", "address": "192.0.2.7", "agent": "curl/8.0"}
        with self.log.open("a") as stream:
            for one in ids:
                record = {"id": one} | view | viewer
                stream.write(json.dumps(record, separators=(",", ":")) + "\n")
        return ids

    def has_shipped_all(self):
        return self.offset.exists() and bytes_behind(self.log, offsets.load(self.offset)) == 0


@pytest.fixture
def shipper(tmp_path, amqp_url):
    process = Process(tmp_path, amqp_url)
    yield process
    if process.process is not None and process.process.poll() is None:
        process.stop(signal.SIGKILL)


@pytest.fixture
def arrived(amqp_url):
    """Takes everything out of the reader's queue: (event id, request id) of each view."""

    def take():
        connection = connect(amqp_url, "tests")
        channel = connection.channel()
        messages = channel.consume(QUEUE, auto_ack=True, inactivity_timeout=2)
        there = itertools.takewhile(lambda message: message[0] is not None, messages)
        views = [view for *_, body in there for view in json.loads(body)["data"]["views"]]
        connection.close()
        return [(view["id"], view["request_id"]) for view in views]

    return take


def test_views_arrive_though_the_shipper_is_killed_again_and_again(shipper, fresh_queues, arrived):
    fresh_queues(READER)
    views = []
    for _ in range(3):
        views += shipper.look(1200)
        before = offsets.load(shipper.offset)
        shipper.start()
        eventually(lambda before=before: offsets.load(shipper.offset) != before, seconds=20)
        shipper.stop(signal.SIGKILL)
    shipper.start()
    # All may have been shipped before the last kill, and who has not begun cannot end well.
    eventually(lambda: shipper.ask("/healthz")[0] == 200, seconds=20)
    eventually(shipper.has_shipped_all, seconds=20)
    assert shipper.stop() == 0
    there = arrived()
    assert {request for _, request in there} == set(views)
    assert len({event for event, _ in there}) == len(views)


def test_views_wait_until_somebody_wants_them(shipper, fresh_queues, arrived):
    fresh_queues(READER)
    with connect_to(shipper) as connection:
        connection.channel().queue_delete(QUEUE)
    views = shipper.look(3)
    shipper.start()
    eventually(lambda: 'reason="no_queue"' in shipper.ask("/metrics")[1], seconds=20)
    assert not shipper.offset.exists()
    READER.declare(shipper.environment["AMQP_URL"])
    eventually(shipper.has_shipped_all, seconds=20)
    assert [request for _, request in arrived()] == views


def connect_to(shipper):
    return connect(shipper.environment["AMQP_URL"], "tests")


def test_health(shipper, fresh_queues):
    fresh_queues(READER)
    shipper.start()
    eventually(lambda: shipper.ask("/healthz")[0] == 200, seconds=20)
    status, body = shipper.ask("/readyz")
    assert (status, json.loads(body)["checks"]["broker"]["ok"]) == (200, True)
    shipper.look(4)
    eventually(shipper.has_shipped_all)
    assert 'souk_events_published_total{event="ProductsViewed"} 4.0' in shipper.ask("/metrics")[1]


def test_without_a_broker_it_lives_and_is_not_ready(shipper):
    shipper.environment["AMQP_URL"] = f"amqp://shipper:none@127.0.0.1:{free_port()}/souk"
    shipper.start()
    eventually(lambda: shipper.ask("/readyz")[0] == 503, seconds=20)
    assert shipper.ask("/healthz")[0] == 200
    assert shipper.stop() == 0


def test_missing_settings_are_named_and_secrets_not_shown(shipper):
    environment = shipper.environment | {"VIEW_LOG": "", "VIEW_LOG_MAX_BYTES": "many"}
    environment |= {"VIEW_LOG_KEY": "too-short-a-key"}
    del environment["VIEW_OFFSET"]
    done = subprocess.run(
        [sys.executable, "-m", "shipper"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "VIEW_OFFSET" in done.stderr
    assert "VIEW_LOG_MAX_BYTES" in done.stderr
    assert "VIEW_LOG_KEY" in done.stderr
    assert environment["VIEW_LOG_KEY"] not in done.stderr
    assert environment["AMQP_URL"] not in done.stderr
