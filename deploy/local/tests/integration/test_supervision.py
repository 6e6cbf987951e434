# SPDX-License-Identifier: Apache-2.0
"""A supervisord of its own, with small programs."""

import os
import re
import shutil
import signal
import tempfile
from datetime import datetime
from pathlib import Path

import pytest

from common.testing import eventually
from souk_local.supervision import Program, Supervisor

LINES = 20_000
"""More than a pipe holds."""
TALKER = Program(name="talker", command=["/bin/sh", "-c", f"seq {LINES}; exec sleep 1000"])
MOMENT = re.compile(r"^(\S+ \S+) \w+ (exited|spawned): '?talker", re.MULTILINE)


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


def moments(supervisor):
    """When what was spawned and exited, as supervisord tells it."""
    log = supervisor.log("supervisord").read_text()
    return [(what, datetime.fromisoformat(when)) for when, what in MOMENT.findall(log)]


def test_all_lines_of_a_process_are_in_its_log_in_their_order(supervisor):
    every_line = [str(number) for number in range(1, LINES + 1)]

    eventually(lambda: len(said(supervisor)) >= LINES)
    assert said(supervisor) == every_line

    killed(supervisor)
    eventually(lambda: len(said(supervisor)) >= 2 * LINES)
    assert said(supervisor) == every_line * 2


def test_what_ended_is_started_in_the_same_moment_even_where_nobody_talks(supervisor):
    eventually(lambda: len(said(supervisor)) >= LINES)

    killed(supervisor)
    eventually(lambda: len(moments(supervisor)) == 3, what="a second start")

    (_, _), (ended, end), (began, begin) = moments(supervisor)
    assert (ended, began) == ("exited", "spawned")
    assert (begin - end).total_seconds() < 0.5  # its own round would be a second later
