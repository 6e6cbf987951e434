# SPDX-License-Identifier: Apache-2.0
"""The checkers have teeth: each guard that is taken out is missed by a test, and soon."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 60

COMMON = "libs/common/tests/integration"
CATALOG = "services/catalog/tests/integration"
ORDERS = "services/orders/tests/integration"


@dataclass(frozen=True)
class Mutant:
    """One broken guard.

    Attributes:
        name: The module beside this one that breaks it.
        caught_by: The test that must fail.
        because: What its failed assertion says.
    """

    name: str
    caught_by: str
    because: str


MUTANTS = [
    Mutant(
        "outbox_apart",
        f"{COMMON}/test_outbox_and_relay.py::test_what_was_rolled_back_is_never_told",
        "assert 2 == 1",
    ),
    Mutant(
        "no_mandatory",
        f"{COMMON}/test_outbox_and_relay.py"
        "::test_what_nobody_is_bound_for_waits_and_goes_out_after_the_binding",
        "assert 1 == 0",
    ),
    Mutant(
        "settle_before_confirm",
        f"{COMMON}/test_outbox_and_relay.py"
        "::test_a_relay_that_dies_after_publishing_publishes_again",
        "assert 0 == 1",
    ),
    Mutant(
        "lapse_by_clock",
        f"{CATALOG}/test_reservations.py"
        "::test_an_overdue_reservation_is_asked_about_and_keeps_its_units",
        "assert (3, 1) == (3, 3)",
    ),
]


@dataclass(frozen=True)
class Outcome:
    """What one run of pytest said.

    Attributes:
        passed, failed, errors: How many tests; an error is one that could not even be tried.
        message: What the first failed assertion says.
    """

    code: int
    passed: int
    failed: int
    errors: int
    message: str


@pytest.fixture
def run(servers, tmp_path):
    """Runs these tests in a process of their own, on this run's servers, with a mutant or none."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "tests"),
        "SOUK_TEST_DATABASE_URL": servers.database_url,
        "SOUK_TEST_AMQP_URL": servers.amqp_url,
        "SOUK_TEST_REDIS_URL": servers.redis_url,
    }
    report = tmp_path / "report.xml"

    def run_tests(tests, mutant=None, seconds=SECONDS):
        plugins = [] if mutant is None else ["-p", f"mutants.{mutant}"]
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *plugins]
        done = subprocess.run(
            [*command, f"--timeout={seconds}", f"--junitxml={report}", *tests],
            cwd=ROOT,
            env=environment,
            timeout=seconds,
            check=False,
            capture_output=True,
            text=True,
        )
        assert report.exists(), done.stdout + done.stderr
        return read(report, done.returncode)

    return run_tests


def read(report, code):
    suite = ET.parse(report).getroot().find("testsuite")
    ran, failed, errors = (int(suite.get(name)) for name in ("tests", "failures", "errors"))
    messages = [failure.get("message") for failure in suite.iter("failure")]
    return Outcome(code, ran - failed - errors, failed, errors, "".join(messages[:1]))


def test_without_a_mutant_the_tests_pass(run):
    """The control: it is the mutant that they fail for."""
    tests = sorted({mutant.caught_by for mutant in MUTANTS})

    outcome = run(tests, seconds=3 * SECONDS)

    assert outcome == Outcome(code=0, passed=len(tests), failed=0, errors=0, message="")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught_in_a_minute(run, mutant):
    outcome = run([mutant.caught_by], mutant.name)

    assert (outcome.code, outcome.failed, outcome.errors) == (1, 1, 0), outcome
    assert outcome.message.startswith(("assert ", "AssertionError: ")), outcome
    assert mutant.because in outcome.message
