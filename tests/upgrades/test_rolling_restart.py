# SPDX-License-Identifier: Apache-2.0
"""Every process is replaced while people buy: not one request fails, and nothing is lost."""

import os
import signal

import pytest

from common.testing import eventually
from souk_local.programs import WEBS, WORKERS
from souk_local.renewal import children_of
from support.databases import schema_of
from upgrades.load import PEOPLE, load_on

REPLACED = (*WEBS, *WORKERS, "gateway")


def processes_of(stack):
    """The processes that answer, by program: the children of the webs' and nginx's leaders."""
    pids = {one.name: one.pid for one in stack.supervisor.statuses() if one.name in REPLACED}
    return pids | {name: frozenset(children_of(pids[name])) for name in (*WEBS, "gateway")}


def all_replaced(before, after):
    """Whether no program has a process that it had before; the webs' old ones linger."""
    same = [name for name in WORKERS if before[name] == after[name]]
    return not same and not any(before[name] & after[name] for name in (*WEBS, "gateway"))


def placed(stack, orders):
    """How many of these orders analytics' event log knows."""
    with schema_of(stack, "analytics") as cursor:
        cursor.execute("SELECT subject FROM event_log WHERE type = 'OrderPlaced'")
        return len(orders & {subject.removeprefix("order/") for (subject,) in cursor.fetchall()})


def all_holds(shop):
    answer = shop.admin().get("/v1/audit/invariants")
    return answer.status_code == 200 and answer.json()["ok"]


@pytest.mark.slow
def test_every_process_is_replaced_and_no_request_fails(stack, shop):
    before = processes_of(stack)
    with load_on(shop) as load:
        eventually(lambda: load.rounds >= 8, seconds=60, what="the load")

        stack.restart()

        rounds = load.rounds
        eventually(lambda: load.rounds >= rounds + 8, seconds=60, what="the load, afterwards")

    assert load.failed == []
    assert len(load.late) <= PEOPLE, "a machine that stalls once is late for each"
    eventually(lambda: all_replaced(before, processes_of(stack)), what="every process is a new one")
    eventually(
        lambda: placed(stack, load.orders) == len(load.orders), seconds=60, what="all events"
    )
    eventually(lambda: all_holds(shop), seconds=60, what="a clean audit")


@pytest.mark.slow
def test_the_load_notices_a_process_that_is_killed_and_started(stack, shop):
    """The control: who ends a service and starts it again loses requests."""
    with load_on(shop) as load:
        eventually(lambda: load.rounds >= 8, seconds=60, what="the load")
        (leader,) = (one.pid for one in stack.supervisor.statuses() if one.name == "catalog-web")
        os.killpg(leader, signal.SIGKILL)
        eventually(lambda: load.failed, seconds=60, what="a failed request")

    eventually(stack.supervisor.all_running, seconds=60, what="catalog's return")
    eventually(lambda: all_holds(shop), seconds=60, what="a clean audit")
