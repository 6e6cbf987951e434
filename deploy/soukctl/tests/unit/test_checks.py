# SPDX-License-Identifier: Apache-2.0
"""What the doctor makes of what it sees."""

import pytest

from common.amqp import Topology
from common.amqp.inspection import QueueState
from common.contracts import OrderPlaced
from soukctl.checks.broker import broker, faults
from soukctl.checks.database import unsafe
from soukctl.checks.gateway import service
from soukctl.config import Config

SAFE = {
    "innodb_flush_log_at_trx_commit": "1",
    "log_bin": "ON",
    "sync_binlog": "1",
    "binlog_format": "ROW",
    "sql_mode": "STRICT_TRANS_TABLES,NO_ZERO_DATE",
    "max_allowed_packet": str(16 * 1024**2),
    "character_set_database": "utf8mb4",
    "transaction_isolation": "READ-COMMITTED",
}
QUEUES = ("catalog.order_placed", "catalog.order_placed.retry", "catalog.order_placed.dead")


def test_a_safe_server_has_no_faults():
    assert list(unsafe(SAFE)) == []
    assert list(unsafe(SAFE | {"log_bin": "OFF", "sync_binlog": "0"})) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("innodb_flush_log_at_trx_commit", "2"),
        ("sync_binlog", "0"),
        ("binlog_format", "STATEMENT"),
        ("sql_mode", "NO_ZERO_DATE"),
        ("max_allowed_packet", "1048576"),
        ("character_set_database", "latin1"),
        ("transaction_isolation", "REPEATABLE-READ"),
    ],
)
def test_each_unsafe_setting_is_found_with_a_way_out(name, value):
    [(said, fix)] = unsafe(SAFE | {name: value})

    assert said
    assert fix.endswith(".")


def states(**changed):
    right = {"exists": True, "consumers": 0}
    made = {name: QueueState(name=name, **right) for name in QUEUES}
    made[QUEUES[0]] = QueueState(name=QUEUES[0], exists=True, consumers=1)
    for queue, facts in changed.items():
        name = {"events": QUEUES[0], "retry": QUEUES[1], "dead": QUEUES[2]}[queue]
        made[name] = QueueState(name=name, **right | facts)
    return list(made.values())


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ({}, None),
        ({"retry": {"messages": 3}}, None),
        ({"dead": {"exists": False}}, "missing: catalog.order_placed.dead"),
        ({"events": {"consumers": 0}}, "nobody reads catalog.order_placed"),
        ({"dead": {"messages": 2}}, "2 dead letters"),
        ({"retry": {"conflict": "x-message-ttl"}}, "catalog.order_placed.retry is another one"),
    ],
)
def test_what_is_wrong_with_a_reader_s_queues_is_found_with_a_way_out(seen, said):
    topology = Topology(service="catalog", events=(OrderPlaced,))

    found = list(faults(topology, states(**seen)))

    assert [one.said.startswith(said) for one in found] == ([] if said is None else [True])
    assert all(one.state == "wrong" and one.fix.endswith(".") for one in found)


@pytest.mark.parametrize(
    ("report", "state", "said"),
    [
        ({"ok": True, "checks": {"database": {"ok": True}}}, "well", "is ready"),
        ({"ok": False, "error": "no answer"}, "wrong", "gives no answer"),
        (None, "wrong", "gives no answer"),
        (
            {"ok": True, "checks": {"database": {"ok": True}, "redis": {"ok": False}}},
            "wrong",
            "does not reach redis",
        ),
    ],
)
def test_a_service_s_own_report_is_understood(report, state, said):
    found = service("orders", report)

    assert (found.state, found.said) == (state, said)
    assert bool(found.fix) == (state == "wrong")


def test_a_broker_that_is_away_is_found_without_its_password():
    [found] = broker(Config(amqp_url="amqp://root:never-shown@127.0.0.1:1/souk"))

    assert found.state == "wrong"
    assert "AMQP_URL" in found.fix
    assert "never-shown" not in repr(found)
