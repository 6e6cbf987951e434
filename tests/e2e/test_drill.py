# SPDX-License-Identifier: Apache-2.0
"""`make drill`, small: it sells out exactly, proves it, and leaves nothing behind."""

from dataclasses import replace

import pytest
from click.testing import CliRunner
from rich.console import Console

from common.testing import eventually
from souk_local.__main__ import drill
from souk_local.drill import Proof, show
from souk_local.ports import Ports
from souk_local.stack import Stack
from support.databases import schema_of


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_drill_sells_exactly_what_there_is_and_proves_it(stack, shop):
    result = CliRunner().invoke(drill, ["--buyers", "40", "--units", "10"], obj=stack)

    assert result.exit_code == 0, result.output
    shown = [" ".join(line.split()) for line in result.output.splitlines()]
    for program in ("catalog-web", "orders-web", "rabbitmq"):
        assert f"kill -9 {program}" in shown
    for line in ("sold 10", "refused 30", "oversold 0", "acknowledged orders lost 0"):
        assert f"✓ {line}" in shown
    assert "✓ invariants ok" in shown
    with schema_of(stack, "catalog") as cursor:
        cursor.execute("SELECT COUNT(*) FROM products WHERE name LIKE 'Drill lamp%' AND is_listed")
        assert cursor.fetchone() == (0,)
    # The guests are gone, and orders hears of it.
    eventually(lambda: remaining_guests(stack) == 0, seconds=20, what="the guests' leaving")
    assert shop.visitor().get("/readyz").status_code == 200


def test_a_drill_without_a_stack_says_what_is_missing(tmp_path):
    down = Stack(tmp_path, Ports.free(), tmp_path)

    result = CliRunner().invoke(drill, obj=down)

    assert result.exit_code == 1
    assert "make up" in result.output


def remaining_guests(stack):
    with schema_of(stack, "orders") as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM customers WHERE username LIKE 'drill-%' AND NOT is_deleted"
        )
        return cursor.fetchone()[0]


@pytest.fixture
def good():
    return Proof(
        wanted=40,
        units=10,
        sold=10,
        refused=30,
        odd=(),
        retried=3,
        killed=("catalog-web",),
        total=10,
        lost=0,
        checks=[{"name": "shop.x", "ok": True, "violations": []}],
    )


def test_a_proof_holds_only_if_everything_is_right(good):
    assert good.holds
    assert replace(good, wanted=4, sold=4, total=4, refused=0).holds


@pytest.mark.parametrize(
    "forgery",
    [
        {"total": 11},
        {"total": 11, "sold": 11},
        {"total": 9, "sold": 9},
        {"total": 9},
        {"lost": 1},
        {"odd": ("no answer",)},
        {"checks": [{"name": "shop.x", "ok": False, "violations": []}]},
    ],
)
def test_a_forged_proof_does_not_hold_and_shows_why(good, forgery, capsys):
    forged = replace(good, **forgery)
    show(forged, Console(highlight=False))

    assert not forged.holds
    assert "✗" in capsys.readouterr().out
