# SPDX-License-Identifier: Apache-2.0
"""The signing key is changed while people log in and buy: not one token is refused."""

import json
from collections import Counter

import jwt
import pytest
from click.testing import CliRunner

from common.testing import eventually
from souk_local.renewal import children_of
from soukctl.__main__ import main
from upgrades.load import PEOPLE, load_on

LEAD_SECONDS = "10"
"""The shortest: the usual two minutes only wait."""


@pytest.fixture
def soukctl(stack):
    """An operator's command on the running stack; gives what it says."""
    operator = ["--env-file", str(stack.directory / "operator.env")]

    def run(*arguments):
        outcome = CliRunner(env={"KEY_LEAD_SECONDS": LEAD_SECONDS}).invoke(
            main, [*operator, *arguments, "--json"]
        )
        assert outcome.exit_code == 0, outcome.output
        return json.loads(outcome.stdout)

    return run


def kid_of(token):
    return jwt.get_unverified_header(token)["kid"]


def gateway_pids(stack):
    (leader,) = (one.pid for one in stack.supervisor.statuses() if one.name == "gateway")
    return leader, children_of(leader)


@pytest.mark.slow
def test_a_rotation_refuses_nobody_and_the_gateway_is_not_reloaded(stack, shop, soukctl):
    admin, nginx = shop.admin(), gateway_pids(stack)
    old = kid_of(admin.token)
    with load_on(shop) as load:
        new = soukctl("keys", "rotate")["kid"]
        eventually(lambda: kid_of(load.tokens[-1]) == new, seconds=60, what="the new key signs")
        rounds = load.rounds
        eventually(lambda: load.rounds >= rounds + 12, seconds=60, what="the load, afterwards")

    assert load.failed == []
    assert len(load.late) <= PEOPLE, "a machine that stalls once is late for each"
    signed = Counter(map(kid_of, load.tokens))
    assert signed.keys() == {old, new}
    assert min(signed.values()) >= 4
    assert gateway_pids(stack) == nginx
    # A token of the old key and one of the new are good at every service.
    for person in (admin, shop.admin()):
        for path in ("users/me", "products", "cart", "notifications", "analytics/top"):
            assert person.get(f"/v1/{path}").status_code == 200, path
    shown = shop.visitor().get("/.well-known/jwks.json").json()["keys"]
    assert {key["kid"] for key in shown} == {old, new}
