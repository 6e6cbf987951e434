# SPDX-License-Identifier: Apache-2.0
"""Work that nobody waits for leaves the processor to those whose callers wait."""

import subprocess
import sys

import pytest

WORKER = """
import os
from common.settings import Settings
from common.worker import run_worker

def tell(stop):
    print("niceness", os.nice(0), flush=True)
    stop.set()

run_worker(Settings.load(), {{"tell": tell}}, [], gives_way={gives_way})
"""


def niceness(*, gives_way):
    program = WORKER.format(gives_way=gives_way)
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, env={"WORKER_PORT": "0"}, capture_output=True, text=True, timeout=60, check=True
    )
    return int(done.stdout.split("niceness")[1].split()[0])


@pytest.mark.parametrize("gives_way", [True, False])
def test_a_worker_gives_way_if_it_is_told_to(gives_way):
    ours = niceness(gives_way=False)
    assert (niceness(gives_way=gives_way) > ours) == gives_way
