# SPDX-License-Identifier: Apache-2.0
"""The checkers have teeth: each guard that is taken out is missed by a test, and soon."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 120
LEAN = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
"""Without these plugins a run begins 1.5 seconds of processor time earlier."""

COMMON = "libs/common/tests/integration"
CATALOG = "services/catalog/tests/integration"
ORDERS = "services/orders/tests/integration"


@dataclass(frozen=True)
class Mutant:
    """One broken guard.

    Attributes:
        name: The module beside this one that breaks it.
        caught_by: The test that must fail.
        because: What its failed assertion says, as a regular expression.
    """

    name: str
    caught_by: str
    because: str


LAST_UNIT = f"{CATALOG}/test_two_buyers.py"
LAST_UNIT_TEST = f"{LAST_UNIT}::test_of_two_buyers_one_gets_the_last_unit_in_every_order"
RELAY = f"{COMMON}/test_outbox_and_relay.py"

MUTANTS = [
    # The database's own fence ends what the lock should have: the second buyer gets an error.
    Mutant("no_lock", LAST_UNIT_TEST, r"assert \['error (3819|4025)', 'held'\] =="),
    Mutant("lock_in_process", LAST_UNIT_TEST, r"assert \['error (3819|4025)', 'held'\] =="),
    # Nothing in the database sees this one: the unit is sold twice and counted once.
    Mutant("read_then_update", LAST_UNIT_TEST, r"assert \['held', 'held'\] =="),
    Mutant(
        "ack_on_receipt",
        f"{COMMON}/test_subscriber_killed.py"
        "::test_what_a_worker_had_not_committed_when_it_was_killed_is_done_by_the_next",
        "the next worker's effects did not come true",
    ),
    Mutant("outbox_apart", f"{RELAY}::test_what_was_rolled_back_is_never_told", "assert 2 == 1"),
    Mutant(
        "no_mandatory",
        f"{RELAY}::test_what_nobody_is_bound_for_waits_and_goes_out_after_the_binding",
        "assert 1 == 0",
    ),
    Mutant(
        "settle_before_confirm",
        f"{RELAY}::test_a_relay_that_dies_after_publishing_publishes_again",
        "assert 0 == 1",
    ),
    Mutant(
        "unsorted_locks",
        f"{LAST_UNIT}::test_crossed_lines_never_meet_in_a_deadlock",
        r"assert \[1213\] == \[\]",
    ),
    Mutant(
        "no_unique_key",
        f"{ORDERS}/test_two_requests.py"
        "::test_of_two_requests_with_one_key_one_begins_an_order_in_every_order",
        r"assert \['Attempt', 'Attempt'\] ==",
    ),
    Mutant(
        "lapse_by_clock",
        f"{CATALOG}/test_reservations.py"
        "::test_an_overdue_reservation_is_asked_about_and_keeps_its_units",
        r"assert \(3, 1\) == \(3, 3\)",
    ),
]


@dataclass(frozen=True)
class Outcome:
    """What one run of pytest said.

    Attributes:
        passed, failed, errors: How many tests; an error is one that could not even be tried.
        message: What the first failed assertion, or the first error, says.
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
        options = ["-q", "-x", f"--timeout={seconds}", f"--junitxml={report}"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *LEAN, *plugins, *options, *tests],
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
    messages = [each.get("message") for kind in ("failure", "error") for each in suite.iter(kind)]
    return Outcome(code, ran - failed - errors, failed, errors, "".join(messages[:1]))


@pytest.mark.slow
def test_without_a_mutant_the_tests_pass(run):
    """The control: it is the mutant that they fail for."""
    tests = sorted({mutant.caught_by for mutant in MUTANTS})

    outcome = run(tests, seconds=2 * SECONDS)

    good = Outcome(code=0, passed=len(tests), failed=0, errors=0, message="")
    assert outcome == good, outcome.message


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught_in_two_minutes(run, mutant):
    outcome = run([mutant.caught_by], mutant.name)

    assert (outcome.code, outcome.failed, outcome.errors) == (1, 1, 0), outcome
    assert outcome.message.startswith(("assert ", "AssertionError: ")), outcome
    assert re.search(mutant.because, outcome.message), outcome
