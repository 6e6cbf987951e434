# SPDX-License-Identifier: Apache-2.0
import subprocess

import pytest

from common.testing import eventually
from souk_local import leftovers


@pytest.fixture
def start():
    started = []

    def begin(*command, **options):
        started.append(subprocess.Popen(command, **options))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_a_process_with_the_stacks_marker_is_found_and_ended(tmp_path, start):
    ours = start("sleep", "60", env={leftovers.MARKER: str(tmp_path), "PATH": "/bin:/usr/bin"})
    eventually(lambda: leftovers.find(tmp_path) == [ours.pid])

    assert leftovers.end(tmp_path) == 1

    assert ours.wait(5) == -15


def test_the_process_of_another_stack_is_left_alone(tmp_path, start):
    other = start("sleep", "60", env={leftovers.MARKER: f"{tmp_path}-2", "PATH": "/bin:/usr/bin"})
    assert leftovers.end(tmp_path) == 0
    assert other.poll() is None


def test_a_shell_that_stands_in_the_directory_is_left_alone(tmp_path, start):
    shell = start("sleep", "60", cwd=tmp_path)
    assert leftovers.end(tmp_path) == 0
    assert shell.poll() is None


def test_a_process_that_does_not_listen_is_killed(tmp_path, start, monkeypatch):
    monkeypatch.setattr(leftovers, "STOP_SECONDS", 0.3)
    deaf = start(
        *("sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"),
        env={leftovers.MARKER: str(tmp_path), "PATH": "/bin:/usr/bin"},
        stdout=subprocess.PIPE,
    )
    with deaf.stdout:
        assert deaf.stdout.readline() == b"deaf\n"
        leftovers.end(tmp_path)
    assert deaf.wait(5) == -9
