# SPDX-License-Identifier: Apache-2.0
"""What the doctor finds in real databases and servers that are not as they should be."""

import json
from datetime import timedelta

import pytest

from common import outbox
from common.clock import utcnow
from common.contracts import StockLow
from common.events import Envelope
from soukctl.checks import database as database_checks
from soukctl.checks.database import databases
from soukctl.checks.gateway import token
from soukctl.checks.surroundings import disk, mail, redis
from soukctl.config import Config

ELSEWHERE = "127.0.0.1:1"


@pytest.fixture
def config(settings):
    return Config(**{name.lower(): value for name, value in settings.items()})


def of(subject, findings):
    [found] = [one for one in findings if one.subject == subject]
    return found.state, found.said, found.fix


def test_a_sound_schema_is_found_sound_and_others_unknown(config):
    found = list(databases(config))

    assert of("catalog database", found)[0] == "well"
    state, said, _ = of("orders database", found)
    assert (state, "ORDERS_DATABASE_URL" in said) == ("unknown", True)


def test_events_that_wait_for_the_broker_are_found(config, catalog):
    low = StockLow(product_id=1, sku=None, name="Lamp", available=1, threshold=2)
    old = {"time": utcnow() - timedelta(minutes=5)}
    letter = Envelope.seal(low, aggregate_version=1).model_copy(update=old)
    catalog.run(outbox.append_all, [letter])

    state, said, fix = of("catalog database", databases(config))

    assert state == "wrong"
    assert said.startswith("1 events wait for the broker, the oldest for 30")
    assert "python -m catalog worker" in fix


def test_clocks_that_are_apart_are_found(config, monkeypatch):
    monkeypatch.setattr(database_checks, "utcnow", lambda: utcnow() + timedelta(seconds=60))

    assert "its clock is" in of("auth database", databases(config))[1]


def test_a_schema_without_its_migrations_is_found(config, new_schema):
    behind = config.model_copy(update={"catalog_database_url": new_schema("catalog")})

    state, said, fix = of("catalog database", databases(behind))

    assert (state, said) == ("wrong", "Migrations are missing.")
    assert "soukctl db migrate catalog" in fix


def test_a_database_that_lets_nobody_in_is_found(config, catalog):
    url = catalog.engine.url.set(username="nobody", password="wrong")
    wrong = url.render_as_string(hide_password=False)
    locked = config.model_copy(update={"catalog_database_url": wrong})

    found = of("catalog database", databases(locked))

    assert found[0] == "wrong"
    assert "Access denied" in found[1]
    assert "CATALOG_DATABASE_URL" in found[2]


def test_one_database_that_lets_nobody_in_does_not_end_the_looking(soukctl, catalog, monkeypatch):
    wrong = catalog.engine.url.set(username="nobody", password="wrong")
    monkeypatch.setenv("NOTIFIER_DATABASE_URL", wrong.render_as_string(hide_password=False))

    outcome = soukctl("doctor", "--json")

    assert outcome.exit_code == 1, outcome.output
    found = {one["subject"]: one for one in json.loads(outcome.stdout)["findings"]}
    assert found["notifier database"]["state"] == "wrong"
    assert found["mail"]["state"] == "unknown"
    assert "Access denied" in found["mail"]["said"]


def test_a_log_in_that_is_wrong_is_found(config):
    assert of("token", token(config))[0] == "well"
    stranger = config.model_copy(update={"admin_password": "wrong and long enough"})

    state, said, fix = of("token", token(stranger))

    assert (state, "could not log in" in said) == ("wrong", True)
    assert "create-admin" in fix


def test_a_redis_and_a_disk_that_are_not_there_are_found(config, tmp_path):
    lost = config.model_copy(
        update={
            "redis_url": f"redis://{ELSEWHERE}/0",
            "run_directory": tmp_path / "nowhere",
        }
    )

    assert of("redis", redis(config))[0] == "well"
    assert of("redis", redis(lost))[0] == "wrong"
    assert of("disk", disk(lost))[0] == "wrong"
    assert of("disk", disk(lost.model_copy(update={"run_directory": tmp_path})))[0] == "well"


def test_mails_that_have_no_place_are_found(config, database_of, tmp_path):
    url = database_of("notifier").engine.url.render_as_string(hide_password=False)
    there = {"notifier_database_url": url, "mail_dir": tmp_path}
    gone = there | {"mail_dir": tmp_path / "nowhere"}

    assert of("mail", mail(config.model_copy(update=there)))[0] == "well"
    assert of("mail", mail(config.model_copy(update=gone)))[0] == "wrong"
