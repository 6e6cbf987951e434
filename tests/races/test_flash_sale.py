# SPDX-License-Identifier: Apache-2.0
"""One product, many buyers, real processes: exactly what is there is sold."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from common.testing import eventually
from support.databases import schema_of
from support.rush import Watcher, outcomes, rush

CLIENTS = 64
UNITS = 1_000
ATTEMPTS = 20_000
ROUNDS = 12
SOLD, SHORT = (201, ""), (409, "insufficient_stock")


@pytest.fixture(scope="module")
def buyers(shop):
    return [shop.sign_up("buyer") for _ in range(CLIENTS)]


def on_hand(admin, product):
    """What the ledger's last entry says; a sale is entered when its reservation ends."""
    newest = admin.get(f"/v1/products/{product['id']}/stock/ledger?limit=1").json()["items"][0]
    return newest["on_hand"]


def stock_of(stack, product):
    """``on_hand`` and ``reserved`` as the database has them."""
    with schema_of(stack, "catalog") as cursor:
        cursor.execute(
            "SELECT on_hand, reserved FROM stock WHERE product_id = %s", (product["id"],)
        )
        return cursor.fetchone()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_thousand_attempts_on_a_thousand_units_sell_a_thousand(shop, buyers):
    admin = shop.admin()
    product = shop.product(admin, "Flash lamp", quantity=UNITS)

    with Watcher(shop.url, product["id"]) as watcher:
        attempts = rush(buyers, product["id"], ATTEMPTS)

    assert sum(outcomes(attempts).values()) == ATTEMPTS // CLIENTS * CLIENTS
    assert set(outcomes(attempts)) == {SOLD, SHORT}
    orders = [attempt.order_id for attempt in attempts if attempt.status == 201]
    assert len(orders) == len(set(orders)) == UNITS
    assert watcher.reads > 0
    assert watcher.lowest >= 0
    admin = shop.admin()  # the sale may have outlived the token
    eventually(lambda: on_hand(admin, product) == 0, seconds=60, what="every reservation sold")
    assert admin.get(f"/v1/products/{product['id']}").json()["available"] == 0
    total = admin.get(f"/v1/orders/products/{product['id']}/total").json()["total_quantity"]
    assert total == UNITS


@contextmanager
def catalog_without_locks(stack) -> Iterator[None]:
    """Put the double in catalog's place, with the database's own fence taken down too."""
    stack.supervisor.end("catalog-web", "catalog-worker")
    environment = stack.environments.service("catalog")
    port = environment["HTTP_PORT"]
    command = [sys.executable, "-m", "gunicorn", "--config", "python:common.gunicorn"]
    command += ["--bind", f"127.0.0.1:{port}", "--workers", "2", "--threads", "8"]
    with schema_of(stack, "catalog") as cursor:
        cursor.execute("ALTER TABLE stock DROP CONSTRAINT ck_stock_reserved")
    double = subprocess.Popen(
        [*command, "unlocked:create_app()"],
        cwd=Path(__file__).parent,
        env=environment | {"PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/healthz"
    try:
        eventually(lambda: _answers(url), seconds=30, what="the double")
        yield
    finally:
        double.terminate()
        double.wait()
        stack.supervisor.begin("catalog-web")
        eventually(lambda: _answers(url), seconds=30, what="catalog")


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).ok
    except requests.RequestException:
        return False


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_without_the_lock_the_same_rush_oversells(shop, stack, buyers):
    """If this fails, the flash sale above proves nothing.

    Only the last unit can be sold twice, so a single rush has one chance; it gets several.
    """
    admin, oversold = shop.admin(), []

    with catalog_without_locks(stack):
        for _ in range(ROUNDS):
            product = shop.product(admin, "Control lamp", quantity=5)
            attempts = rush(buyers, product["id"], CLIENTS * 2)
            on_hand, reserved = stock_of(stack, product)
            if reserved > on_hand:
                oversold.append(product)
            # What catalog answered too late for was reserved, and is sold to nobody.
            if outcomes(attempts)[SOLD] > on_hand:
                break
    make_good(stack, admin, oversold)

    assert reserved >= outcomes(attempts)[SOLD] > on_hand == 5


def make_good(stack, admin, oversold):
    """Deliver what was oversold, so that the stack is whole again for the tests that follow."""
    for product in oversold:
        answer = admin.post(f"/v1/products/{product['id']}/stock", {"set": 10_000})
        assert answer.status_code == 200, answer.text
    with schema_of(stack, "catalog") as cursor:
        cursor.execute(
            "ALTER TABLE stock ADD CONSTRAINT ck_stock_reserved"
            " CHECK (reserved >= 0 AND reserved <= on_hand)"
        )
    stack.supervisor.begin("catalog-worker")
    eventually(lambda: stock_of(stack, product)[1] == 0, seconds=60, what="every order sold")
