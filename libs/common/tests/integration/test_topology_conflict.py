# SPDX-License-Identifier: Apache-2.0
"""A worker whose queues the broker has otherwise: one message, an exit code, and no storm."""

import os
import signal
import socket
import subprocess
import sys
import time

import orjson
import pytest

from common.amqp import Topology, TopologyConflict
from common.contracts import OrderPlaced
from common.testing import eventually
from common.worker import CONFLICT_SECONDS

QUEUE = "conflicted.order_placed"
MOST_LINES_A_SECOND = 1 / 5

WORKER = """
import sys
from common import worker
from common.amqp import Topology
from common.contracts import OrderPlaced
from common.db import Database
from common.logs import configure_logs
from common.settings import Settings
from common.subscriber import Subscriber

worker.CONFLICT_SECONDS = float(sys.argv[2])
configure_logs("conflicted")
topology = Topology(service="conflicted", events=(OrderPlaced,))
subscriber = Subscriber(
    Database("mysql+pymysql://x:x@127.0.0.1:1/x"), sys.argv[1], topology, {OrderPlaced: print}
)

def patient(stop):
    stop.wait()
    print('{"event": "patient ended"}', flush=True)

worker.run_worker(Settings.load(), {"subscriber": subscriber.run, "patient": patient}, [])
"""


@pytest.fixture
def conflict(fresh_queues, broker):
    """The queue, as an older version of ours might have declared it."""
    topology = Topology(service="conflicted", events=(OrderPlaced,))
    fresh_queues(topology)
    broker.channel.queue_delete(QUEUE)
    broker.channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    return topology


@pytest.fixture
def start(amqp_url):
    """Starts the worker as a supervisor would; it pauses so long before it ends."""
    started = []

    def run(pause):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, amqp_url, str(pause)],
            env={"PATH": os.environ["PATH"], "WORKER_PORT": str(port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_one_message_names_the_queue_and_the_way_out_and_the_worker_ends_with_an_error(
    conflict, start
):
    began = time.monotonic()
    process = start(0.5)
    output, _ = process.communicate(timeout=30)
    seconds = time.monotonic() - began

    lines = [orjson.loads(line) for line in output.splitlines()]
    (told,) = [line for line in lines if line["event"] == "topology_conflict"]
    assert process.returncode == 1
    assert (told["level"], told["task"]) == ("critical", "subscriber")
    assert f"the queue {QUEUE} " in told["reason"]
    assert "PRECONDITION_FAILED" in told["reason"]
    assert "nothing was changed" in told["reason"]
    assert f"rabbitmqctl delete_queue {QUEUE}" in told["reason"]
    assert "Traceback" not in output
    assert lines[-1]["event"] == "patient ended"
    # Started anew at once, for ever, a worker with the usual pause writes this many lines:
    assert len(lines) / (seconds - 0.5 + CONFLICT_SECONDS) <= MOST_LINES_A_SECOND


def test_a_worker_that_waits_in_a_conflict_ends_when_it_is_told_to(conflict, start):
    process = start(3600)
    assert process.stdout is not None
    for line in process.stdout:
        if "topology_conflict" in line:
            break
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=15)

    assert process.returncode == 1
    assert "patient ended" in output


def test_an_exchange_of_another_kind_is_named_too(amqp_url, broker, topology):
    broker.channel.exchange_delete(topology.exchange)
    broker.channel.exchange_declare(topology.exchange, "fanout", durable=True)

    try:
        with pytest.raises(TopologyConflict, match=r"the exchange testing\.direct with other"):
            topology.declare(amqp_url)
    finally:
        broker.channel.exchange_delete(topology.exchange)


def test_what_the_message_says_to_do_settles_it(conflict, amqp_url, broker):
    with pytest.raises(TopologyConflict):
        conflict.declare(amqp_url)

    broker.channel.queue_delete(QUEUE)
    conflict.declare(amqp_url)

    assert eventually(lambda: broker.depth(QUEUE) == 0)
