# SPDX-License-Identifier: Apache-2.0
"""Of all damage that the audit finds, stock is repaired where reservations prove what is right."""

import os
from uuid import uuid4

import orjson
import pytest
from click.testing import CliRunner
from sqlalchemy import text

from catalog import repair
from catalog.__main__ import cli
from catalog.audit import INVARIANTS
from catalog.commands.reservations import (
    Wish,
    cancel_reservation,
)
from catalog.models import Stock
from catalog.repair import RULES, count_promised
from common.audit import examine
from common.testing.interleavings import Interleavings
from support.reserving import reserve_one, sell_one


@pytest.fixture
def lamp(sell):
    return sell("Lamp", quantity=10)


def reserve(database, product, units=1):
    order_id = uuid4()
    wish = Wish(lines={product.id: units}, prices={}, total=None)
    reserve_one(database, order_id=order_id, wish=wish)
    return order_id


@pytest.fixture
def orders(database, lamp):
    """One that holds two lamps, one that was sold, one that was sold and cancelled."""
    made = {"held": reserve(database, lamp, 2), "sold": reserve(database, lamp)}
    made["cancelled"] = reserve(database, lamp)
    for name in ("sold", "cancelled"):
        sell_one(database, made[name])
    database.run(cancel_reservation, order_id=made["cancelled"])
    return made


def execute(database, statement, **values):
    with database.engine.begin() as connection:
        return connection.execute(text(statement), values).rowcount


def rows(database, statement):
    with database.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def broken_rules(database):
    return {check.name for check in examine(database, INVARIANTS) if check.violations}


@pytest.fixture
def run(database, service_key, amqp_url, redis_url):
    """Runs ``python -m catalog repair`` as an operator would; gives its code and its output."""
    environment = {
        "DATABASE_URL": database.engine.url.render_as_string(hide_password=False),
        "AMQP_URL": amqp_url,
        "REDIS_URL": redis_url,
        "SERVICE_TOKEN_KEY": service_key,
        "SECRET_KEY": service_key[::-1],
    }

    def invoke(*arguments):
        result = CliRunner(env=environment).invoke(cli, ["repair", *arguments])
        return result.exit_code, result.stdout

    return invoke


def test_every_rule_has_its_repair_or_says_what_a_person_should_look_at():
    assert RULES.keys() == INVARIANTS.keys()
    assert {name: rule.invariant for name, rule in RULES.items()} == INVARIANTS


def test_what_nobody_broke_is_not_repaired(run, database, orders):
    assert run("--apply") == (0, "Nothing is broken.\n")
    assert rows(database, "SELECT * FROM repairs") == []


def test_units_that_are_held_for_nobody_are_free_again(run, database, orders, lamp):
    execute(database, "UPDATE stock SET reserved = reserved + 3")
    before = rows(database, "SELECT * FROM stock")

    code, shown = run()

    assert code == 1
    assert "repairable  catalog.reserved_is_promised" in shown
    assert "5 reserved -> 2 reserved" in shown
    assert rows(database, "SELECT * FROM stock") == before
    assert rows(database, "SELECT * FROM repairs") == []

    code, shown = run("--apply", "--json", "--by", "grace")

    assert code == 0
    [outcome] = orjson.loads(shown)
    assert (outcome["state"], outcome["subject"]) == ("repaired", f"product/{lamp.id}")
    assert rows(database, "SELECT reserved FROM stock") == [(2,)]
    assert rows(database, "SELECT actor, rule, subject, was, became FROM repairs") == [
        (
            "operator/grace",
            "catalog.reserved_is_promised",
            f"product/{lamp.id}",
            "5 reserved",
            "2 reserved",
        )
    ]
    assert broken_rules(database) == set()

    assert run("--apply") == (0, "Nothing is broken.\n")
    assert len(rows(database, "SELECT id FROM repairs")) == 1


def test_in_a_container_whose_user_has_no_name_its_number_is_written_down(
    run, database, orders, monkeypatch
):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    execute(database, "UPDATE stock SET reserved = reserved + 3")

    assert run("--apply")[0] == 0
    assert rows(database, "SELECT actor FROM repairs") == [("operator/54321",)]


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE stock SET on_hand = on_hand + 1", "ledger_adds_up"),
        ("UPDATE stock_ledger SET on_hand = on_hand + 1 WHERE delta = 10", "ledger_has_no_gap"),
        ("DELETE FROM stock_ledger WHERE order_id IS NOT NULL", "sold_left_the_shelf"),
    ],
)
def test_what_nothing_proves_is_left_to_a_person(run, database, orders, statement, rule):
    assert execute(database, statement)
    tables = ("stock", "stock_ledger", "reservations", "outbox_messages", "repairs")
    before = [rows(database, f"SELECT * FROM {table}") for table in tables]

    code, shown = run("--apply")

    assert code == 1
    assert f"needs a person  catalog.{rule}" in shown
    assert [rows(database, f"SELECT * FROM {table}") for table in tables] == before


def test_what_was_oversold_is_left_to_a_person(run, database, orders, lamp):
    execute(database, "UPDATE stock SET on_hand = 1, reserved = 1")

    code, shown = run("--apply")

    assert code == 1
    assert "orders were promised 2 of 1 on hand" in shown
    assert rows(database, "SELECT on_hand, reserved FROM stock") == [(1, 1)]


def buy(database, order_id, product):
    wish = Wish(lines={product: 1}, prices={}, total=None)
    reserve_one(database, order_id=order_id, wish=wish)
    return "bought"


def sell_bought(database, order_id, product):
    sell_one(database, order_id)
    return "sold"


def mend(database, order_id, product):
    return "mended" if database.run(count_promised, f"product/{product}") else "right"


@pytest.fixture
def play(database, sell):
    """Plays a repair beside a command in every order of statements; gives what each broke."""

    def want(command):
        lamp = sell("Lamp", quantity=10)
        order_id = reserve(database, lamp) if command is sell_bought else uuid4()
        execute(database, f"UPDATE stock SET reserved = reserved + 3 WHERE product_id = {lamp.id}")
        return [{"order_id": order_id, "product": lamp.id}] * 2

    def every(command):
        with Interleavings(database, [command, mend]) as both:
            for one in both.every(lambda: want(command)):
                assert "mended" in one.words, one
                yield broken_rules(database)
                for table in ("reservations", "stock_ledger", "stock"):
                    execute(database, f"DELETE FROM {table}")

    return every


@pytest.mark.parametrize("command", [buy, sell_bought])
def test_beside_a_running_order_a_repair_is_right_in_every_order_of_statements(play, command):
    broken = list(play(command))

    assert len(broken) > 5
    assert not any(broken)


def test_without_the_lock_a_repair_overlooks_what_is_being_bought(play, monkeypatch):
    def look(session, product_ids):
        return {product_id: session.get(Stock, product_id) for product_id in product_ids}

    monkeypatch.setattr(repair, "lock_stock", look)

    assert any(rules == {"catalog.reserved_is_promised"} for rules in play(buy))
