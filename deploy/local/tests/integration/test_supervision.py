# SPDX-License-Identifier: Apache-2.0
"""A supervisord of its own, with small programs."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from subprocess import PIPE
from types import SimpleNamespace

import pytest

from common.testing import eventually
from souk_local.supervision import Program, Supervisor
from souk_local.supervisord import Patient, Prompt

LINES = 20_000
"""More than a pipe holds."""
TALKER = Program(name="talker", command=["/bin/sh", "-c", f"seq {LINES}; exec sleep 1000"])
MOMENT = re.compile(r"(exited|spawned): '?talker")
PID = 7


@pytest.fixture
def supervisor():
    # Not below pytest's own folder, whose path may be too long for the socket.
    directory = Path(tempfile.mkdtemp(prefix="souk-supervisor-"))
    made = Supervisor(directory)
    made.configure([TALKER])
    made.start()
    try:
        made.begin(TALKER.name)
        eventually(made.all_running)
        yield made
    finally:
        made.shut_down()
        eventually(lambda: not made.is_alive())
        shutil.rmtree(directory, ignore_errors=True)


def said(supervisor):
    return supervisor.log(TALKER.name).read_text().split()


def killed(supervisor):
    [status] = supervisor.statuses()
    os.kill(status.pid, signal.SIGKILL)


def told(supervisor):
    """What was spawned and what exited, as supervisord tells it."""
    return MOMENT.findall(supervisor.log("supervisord").read_text())


def test_all_lines_of_a_process_are_in_its_log_in_their_order(supervisor):
    every_line = [str(number) for number in range(1, LINES + 1)]

    eventually(lambda: len(said(supervisor)) >= LINES)
    assert said(supervisor) == every_line

    killed(supervisor)
    eventually(lambda: len(said(supervisor)) >= 2 * LINES)
    assert said(supervisor) == every_line * 2


def test_what_ended_is_started_again_even_where_nobody_talks(supervisor):
    eventually(lambda: len(said(supervisor)) >= LINES)

    killed(supervisor)

    eventually(lambda: told(supervisor) == ["spawned", "exited", "spawned"])


def test_what_ended_is_started_in_the_round_that_finds_it():
    """The next round comes when somebody talks, or after a second."""
    did, ended = [], iter([(PID, 0)])
    options = SimpleNamespace(
        pidhistory={PID: SimpleNamespace(finish=lambda *_: did.append("found"))},
        waitpid=lambda: next(ended, (None, None)),
    )
    supervisor = Prompt(options)
    supervisor.process_groups = {
        TALKER.name: SimpleNamespace(transition=lambda: did.append("started"))
    }

    supervisor.reap()

    assert did[:2] == ["found", "started"]


@pytest.mark.parametrize(("program", "waits"), [("echo ended", 0), ("echo talks; read _", 1)])
def test_lines_gather_while_nobody_has_ended(monkeypatch, program, waits):
    waited = []
    monkeypatch.setattr(time, "sleep", waited.append)
    with subprocess.Popen(["/bin/sh", "-c", program], stdin=PIPE, stdout=PIPE) as child:
        if not waits:
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        poller = Patient(None)
        poller.register_readable(child.stdout.fileno())

        assert poller.poll(60) == ([child.stdout.fileno()], [])

    assert len(waited) == waits
