# SPDX-License-Identifier: Apache-2.0
"""Operators at a whole running stack, with the settings that ``make up`` wrote for them."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from common.amqp.connection import connect
from common.contracts import StockLow
from common.events import Envelope
from common.testing import eventually
from soukctl.__main__ import main


@pytest.fixture
def soukctl(stack):
    def run(*arguments):
        file = str(stack.directory / "operator.env")
        return CliRunner().invoke(main, ["--env-file", file, *arguments])

    return run


@pytest.fixture(scope="module")
def admin(shop):
    return shop.admin()


def wrongs(outcome):
    findings = json.loads(outcome.stdout)["findings"]
    assert outcome.exit_code == int(any(one["state"] == "wrong" for one in findings))
    assert not [one for one in findings if one["state"] == "unknown"]
    return {one["subject"]: one for one in findings if one["state"] == "wrong"}


def test_the_doctor_finds_a_sound_stack_sound_and_a_worker_that_is_gone(soukctl, stack):
    eventually(lambda: wrongs(soukctl("doctor", "--json")) == {}, seconds=60)
    stack.supervisor.end("notifier-worker")
    try:
        found = wrongs(soukctl("doctor", "--json"))
    finally:
        stack.supervisor.begin("notifier-worker")

    assert found.keys() == {"notifier queues"}
    assert "nobody reads notifier.user_registered" in found["notifier queues"]["said"]
    assert "python -m notifier worker" in found["notifier queues"]["fix"]
    eventually(lambda: wrongs(soukctl("doctor", "--json")) == {}, seconds=60)


def test_the_audit_is_a_verdict_for_programs(soukctl):
    outcome = soukctl("audit", "--json")

    verdict = json.loads(outcome.stdout)
    assert (outcome.exit_code, verdict["ok"]) == (0, True)
    assert len(verdict["checks"]) > 10


def test_an_order_is_in_the_export_with_its_lines(soukctl, shop, admin):
    lamp = shop.product(admin, "Exported lamp", quantity=9)
    items = {"items": [{"product": lamp["id"], "quantity": 2}]}
    order = shop.sign_up().order(items).json()

    rows = soukctl("orders", "export").stdout.splitlines()
    lines = soukctl("orders", "export", "--json").stdout.splitlines()

    [row] = [row for row in rows if row.startswith(order["id"])]
    assert f",{lamp['id']}," in row
    assert ",Exported lamp,2," in row
    assert order["id"] in {json.loads(line)["id"] for line in lines}


def test_a_dead_letter_is_listed_shown_and_sent_back_once(soukctl, stack, admin, shop):
    lamp = shop.product(admin, "Scarce lamp", quantity=3)
    low = StockLow(product_id=lamp["id"], sku=None, name="Scarce lamp", available=1, threshold=2)
    letter = Envelope.seal(low, aggregate_version=9)
    connection = connect(stack.environments.rabbitmq.url("operator"), "tests")
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("souk.dead", "notifier.stock_low.dead", letter.to_json())
    connection.close()
    only = ["--consumer", "notifier", "--type", "StockLow"]

    listed = json.loads(soukctl("dead-letters", "list", *only, "--json").stdout)
    shown = soukctl("dead-letters", "show", str(letter.id))
    refused = soukctl("dead-letters", "requeue", *only)
    sent = json.loads(soukctl("dead-letters", "requeue", *only, "--yes", "--json").stdout)

    assert [one["id"] for one in listed["items"]] == [str(letter.id)]
    assert "Scarce lamp" in shown.stdout
    assert "Send 1 dead letters back?" in refused.stderr
    assert refused.exit_code == 1
    assert [one["id"] for one in sent["sent"]] == [str(letter.id)]
    again = json.loads(soukctl("dead-letters", "list", *only, "--json").stdout)
    assert again["total"] == 0
    assert soukctl("dead-letters", "show", str(letter.id)).exit_code == 1


def test_the_log_is_followed_without_a_gap(soukctl, stack, shop, admin):
    last = [json.loads(line) for line in soukctl("events", "tail", "--json").stdout.splitlines()]
    places = [one["position"] for one in last]
    assert places == list(range(places[0], places[0] + 20))
    file = str(stack.directory / "operator.env")
    command = [sys.executable, "-m", "soukctl", "--env-file", file, "events", "tail", "--json"]
    command += ["--follow", "--after", str(places[-1]), "--type", "ProductCreated"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        lamp = shop.product(admin, "Followed lamp", quantity=1)
        lines = (json.loads(line)["event"] for line in following.stdout)
        told = next(event for event in lines if event["data"]["name"] == "Followed lamp")
        following.terminate()

    assert told["data"]["product_id"] == lamp["id"]


def test_a_replay_is_counted_before_it_is_told(soukctl):
    now = datetime.now(UTC)
    stretch = ["--from", (now - timedelta(hours=1)).isoformat(), "--to", now.isoformat()]
    wanted = ["events", "replay", "--consumer", "catalog", *stretch, "--type", "OrderPlaced"]

    refused = soukctl(*wanted)
    told = soukctl(*wanted, "--yes", "--json")

    assert refused.exit_code == 1
    assert "Tell catalog these" in refused.stderr
    done = json.loads(told.stdout)
    assert done["events"] == done["by_type"]["OrderPlaced"] > 0
    assert "OrderPlaced" in soukctl(*wanted[:-1], "UserDeleted").stderr
