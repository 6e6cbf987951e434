# SPDX-License-Identifier: Apache-2.0
"""Who changes a price does not wait for those who are told of it, however many they are."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from pymysql.cursors import Cursor

from benchmarks.benchmark import Benchmark, Ratio, Sides
from benchmarks.ground import Ground
from benchmarks.load import one_by_one
from benchmarks.sale import products, wait_until_quiet
from common.testing import eventually
from souk_local.stack import Stack
from support.databases import schema_of
from support.shop import Person

ADMINS = 10_000
FIRST = 1_000_000_000
CHANGES, GAP_SECONDS = 12, 0.25
"""A change is mailed a second later, so most changes meet the mails of those before."""
ROUNDS = 3
APPOINT = f"""
    INSERT INTO recipients (user_id, username, email, role, is_deleted, version)
    SELECT {FIRST} + seq, CONCAT('admin-', seq), CONCAT(seq, '@mail.example'), 'admin', FALSE, 1
    FROM seq_1_to_{ADMINS}
"""
DISMISS = f"DELETE FROM recipients WHERE user_id > {FIRST}"
FORGET = (
    f"DELETE FROM deliveries WHERE user_id > {FIRST} LIMIT 50000",
    f"DELETE FROM mailboxes WHERE user_id > {FIRST} LIMIT 50000",
)
IS_CLOSED = "SELECT NOT EXISTS (SELECT 1 FROM notices WHERE fanned_out_at IS NULL)"


@contextmanager
def told(ground: Ground) -> Iterator[Sides]:
    """One admin changes prices; he is the only one, or one of thousands."""
    stack, [product] = ground.stack, products(ground, 1)

    def alone() -> float:
        return _change_prices(ground.shop.admin(), product)

    def among_many() -> float:
        with schema_of(stack, "notifier") as cursor:
            cursor.execute(APPOINT)
        took = _change_prices(ground.shop.admin(), product)
        _dismiss(stack)
        return took

    try:
        yield Sides({"one admin": alone, "many admins": among_many})
    finally:
        _dismiss(stack)
        wait_until_quiet(stack, [product])


def _change_prices(seller: Person, product: int) -> float:
    """Some changes one after the other; the median of what they took, in ms."""

    def now_and_then() -> Iterator[tuple[str, dict[str, str]]]:
        for _ in range(CHANGES):
            time.sleep(GAP_SECONDS)
            yield json.dumps({"price": f"{secrets.randbelow(1_000_000)}.99"}), {}

    took: list[float] = []
    path = f"/v1/products/{product}"
    for milliseconds, answer in one_by_one(seller, "PATCH", path, now_and_then()):
        assert answer.status == 200, answer.status
        took.append(milliseconds)
    return median(took)


def _dismiss(stack: Stack) -> None:
    """No mail of theirs is left to be made or sent: the next round is not the one to pay for it."""
    with schema_of(stack, "notifier") as cursor:
        cursor.execute(DISMISS)
        eventually(lambda: _says(cursor, IS_CLOSED), seconds=120, what="the end of all fan-outs")
        for statement in FORGET:
            while cursor.execute(statement):
                pass


def _says(cursor: Cursor, question: str) -> bool:
    cursor.execute(question)
    (yes,) = cursor.fetchone() or (False,)
    return bool(yes)


BENCHMARKS = (
    Benchmark(
        id="G5",
        title="who is told of a price",
        prepare=told,
        rounds=ROUNDS,
        ratios=[
            Ratio(
                title=f"latency of a new price: {ADMINS:,} admins / one",
                unit="ms",
                of="many admins",
                to="one admin",
                limits=(1.05, 1.05, 1.0),
                lower_is_better=True,
            )
        ],
    ),
)
