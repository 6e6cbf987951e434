# SPDX-License-Identifier: Apache-2.0
"""Everything is killed and stopped while people buy, and answers get lost between processes.

Nothing is lost, double or oversold.

``make chaos MINUTES=30 SEED=7`` is the long form. The same seed is the same faults in the same
order; what the load meets still depends on the machine.
"""

import os
import secrets
import time
from random import Random

import pytest
from chaos.faults import schedule
from chaos.rounds import UNITS, Round
from chaos.wires import WiredStack

from souk_local.console import Terminal
from support import stacks
from support.history import FAIL, OK
from support.shop import Shop

MINUTES = float(os.environ.get("CHAOS_MINUTES", "0"))
SEED = int(os.environ.get("CHAOS_SEED") or secrets.randbelow(10**6))
SHORT_SECONDS, LONG_SECONDS = 35, 90
LEASED = ("notifier-worker", "mariadb")
"""In the short form these two come first: mails that die with them wait a minute for a successor,
and the rest of the faults is done meanwhile."""


@pytest.fixture(scope="module")
def stack():
    with stacks.private(WiredStack) as made:
        yield made


@pytest.fixture(scope="module")
def shop(stack):
    return Shop(stack.environments.gateway_url, stack.directory)


@pytest.fixture
def second_admin(shop):
    """An admin beside the stack's own, for as long as a test."""
    account, admin = shop.sign_up("second-admin"), shop.admin()
    assert admin.patch(f"/v1/users/{account.id}", {"role": "admin"}).status_code == 200
    yield account
    shop.admin().patch(f"/v1/users/{account.id}", {"role": "user"})


@pytest.mark.slow
@pytest.mark.timeout(MINUTES * 60 + 900)
def test_nothing_is_lost_double_or_oversold_while_everything_dies(
    stack, shop, second_admin, tmp_path, capsys
):
    with capsys.disabled():
        Terminal().say(f"\nchaos: seed {SEED}")
    chances = Random(SEED)
    deadline = time.monotonic() + MINUTES * 60
    faults = schedule(chances, () if MINUTES else LEASED)
    number = 0
    while number == 0 or time.monotonic() < deadline:
        number += 1
        one = Round(stack, shop, second_admin, chances)
        began = time.monotonic()
        try:
            wrong = one.run(faults, LONG_SECONDS if MINUTES else SHORT_SECONDS)
        finally:
            one.history.write(tmp_path / f"history-{number}.jsonl")
        with capsys.disabled():
            Terminal().say(report(one, number, time.monotonic() - began, wrong))
        assert wrong == [], f"seed {SEED}, history in {tmp_path}"
        assert one.saboteur.has_done_enough()
        # One refusal of each product is the last buyer's.
        refused = sum(1 for _ in one.history.of("order", FAIL))
        assert refused > len(UNITS), "demand must exceed stock"


def report(one, number, seconds, wrong):
    """A round for people: its faults, what the clients saw, and the verdict."""
    counts = {
        f"{kind}s {outcome}": sum(1 for _ in one.history.of(kind, outcome))
        for kind in ("order", "cancel", "price", "view")
        for outcome in (OK, FAIL, "info")
    }
    retried = sum(operation.tries - 1 for operation in one.history.operations)
    seen = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    lines = [f"round {number}: {len(one.saboteur.done)} faults in {seconds:.0f} s"]
    lines += [f"  {fault}" for _, fault in one.saboteur.done]
    lines.append(f"  {seen}, {retried} asked again")
    lines += [f"  WRONG {fault}" for fault in wrong] or ["  nothing lost, double or oversold"]
    return "\n".join(lines)
