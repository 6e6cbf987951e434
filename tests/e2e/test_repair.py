# SPDX-License-Identifier: Apache-2.0
"""`make repair`: damage done by hand goes its whole way back through the running shop."""

import json
from uuid import uuid4

import pytest
from click.testing import CliRunner

from common.testing import eventually
from souk_local.__main__ import repair
from support.databases import schema_of


@pytest.fixture(scope="module")
def admin(shop):
    return shop.admin()


def broken_rules(admin):
    answer = admin.get("/v1/audit/invariants")
    if answer.status_code == 503:
        # A broken shop is looked at four times; where nothing else is quick, the gateway gives up.
        return {"no verdict"}
    assert answer.status_code == 200, answer.text
    return {one["name"] for one in answer.json()["checks"] if not one["ok"]}


def run(stack, *arguments):
    result = CliRunner().invoke(repair, arguments, obj=stack)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, result.output


@pytest.mark.slow
def test_units_held_for_an_order_that_nobody_knows_come_back(shop, stack, admin):
    lamp = shop.product(admin, "Repaired lamp", quantity=9)
    wish = json.dumps({"lines": [[lamp["id"], 2]], "prices": [], "total": None})
    with schema_of(stack, "catalog") as cursor:
        cursor.execute(
            "INSERT INTO reservations (order_id, status, wish, reserved_at)"
            " VALUES (%s, 'reserved', %s, UTC_TIMESTAMP())",
            (uuid4().bytes, wish),
        )
    broken = {"catalog.reserved_is_promised", "shop.orders_hold_their_units"}

    code, shown = run(stack)
    assert code == 1, shown
    assert all(f"repairable  {rule}" in shown for rule in broken)

    code, shown = run(stack, "--apply")
    assert code == 0, shown
    assert all(f"repaired  {rule}" in shown for rule in broken)

    # Orders rejected it for ever, and catalog heard of that.
    eventually(lambda: not broken_rules(admin), seconds=20, what="an audit that holds")
    assert shop.visitor().get(f"/v1/products/{lamp['id']}").json()["available"] == 9
