# SPDX-License-Identifier: Apache-2.0
"""Orders on a real database, beside a little catalog on a real socket."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from sqlalchemy import select, text, update
from werkzeug.test import TestResponse

from common.db import Database
from common.outbox import outbox_messages
from common.testing.leisure import nobody_leaves
from common.testing.tokens import TokenFactory
from orders.app import create_app
from orders.checkout import PAUSES, Checkout
from orders.config import Config
from orders.models import Order

# The tests of several services run in one process and are no packages; what they share among
# themselves is found beside them.
sys.path.insert(0, str(Path(__file__).parent))

from catalog_stub import CHAIR, LAMP, RUG, CatalogStub, serve

ADA, BOB, ROOT = 1, 2, 99


@pytest.fixture
def catalog() -> Iterator[CatalogStub]:
    """Ten lamps at 12.50, three chairs at 40.00, one rug at 99.99."""
    stub = CatalogStub()
    stub.sell(LAMP, "Lamp", price=1250, stock=10, sku="LAMP-1")
    stub.sell(CHAIR, "Chair", price=4000, stock=3)
    stub.sell(RUG, "Rug", price=9999, stock=1, sku="GARISH-RUG")
    return stub


@pytest.fixture
def catalog_url(catalog: CatalogStub) -> Iterator[str]:
    with serve(catalog) as url:
        yield url


@pytest.fixture
def database(database_of: Callable[[str], Database], clean: Callable[[Database], None]) -> Database:
    found = database_of("orders")
    clean(found)
    return found


@pytest.fixture
def catalog_seconds() -> float:
    """How long a call to catalog may take: long, because a busy machine is no fault of it."""
    return 10.0


@pytest.fixture
def open_store() -> bool:
    """Whether guests need no token."""
    return False


@pytest.fixture
def app(
    database: Database,
    catalog_url: str,
    catalog_seconds: float,
    open_store: bool,  # noqa: FBT001 - a fixture
    service_settings: Callable[..., Config],
    token_factory: TokenFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> APIFlask:
    # A call that fails is one call here: what others do meanwhile is told in tests/faults.
    monkeypatch.setattr("orders.catalog.TRIAL_SECONDS", 0)
    config = service_settings(
        Config,
        database=database,
        auth_url=catalog_url,
        catalog_url=catalog_url,
        catalog_seconds=catalog_seconds,
        open_store=open_store,
    )
    # Nor do auth, a click that waits for another one, and the line lose patience with the machine.
    monkeypatch.setattr("orders.auth.AUTH_SECONDS", 10.0)
    monkeypatch.setattr("orders.checkout.PAUSES", (*PAUSES, *[0.5] * 120))
    made = create_app(config, database=database, guard=token_factory.guard("orders"))
    checkout = made.extensions["checkout"]
    endings = checkout._endings
    nobody_leaves(checkout._beginnings, endings.step, endings._abandonments)
    return made


@pytest.fixture
def checkout(app: APIFlask) -> Checkout:
    found: Checkout = app.extensions["checkout"]
    return found


class Shopper:
    """Somebody with a token and a client of one's own."""

    def __init__(self, client: FlaskClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, headers=self.headers)

    def delete(self, path: str) -> TestResponse:
        return self.client.delete(path, headers=self.headers)

    def put(self, path: str, body: Any) -> TestResponse:
        return self.client.put(path, headers=self.headers, json=body)

    def post(self, path: str) -> TestResponse:
        return self.client.post(path, headers=self.headers)

    def want(self, product: int | str, quantity: int) -> TestResponse:
        return self.put(f"/v1/cart/items/{product}", {"quantity": quantity})

    def order(self, key: str | None, *items: tuple[int | str, Any], **body: Any) -> TestResponse:
        """Orders these items, or the cart."""
        headers = self.headers | ({} if key is None else {"Idempotency-Key": key})
        if items:
            body["items"] = [{"product": ref, "quantity": units} for ref, units in items]
        return self.client.post("/v1/orders", headers=headers, json=body)


@pytest.fixture
def shopper(app: APIFlask, token_factory: TokenFactory) -> Callable[..., Shopper]:
    """Makes a signed-in client; each thread needs its own."""

    def make(user_id: int = ADA, role: str = "user") -> Shopper:
        headers = token_factory.bearer(user_id, f"user-{user_id}", role)
        return Shopper(app.test_client(), headers)

    return make


@pytest.fixture
def ada(shopper: Callable[..., Shopper]) -> Shopper:
    return shopper(ADA)


@pytest.fixture
def bob(shopper: Callable[..., Shopper]) -> Shopper:
    return shopper(BOB)


@pytest.fixture
def root(shopper: Callable[..., Shopper]) -> Shopper:
    return shopper(ROOT, "admin")


class Ledger:
    """What stands in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def statuses(self) -> list[str]:
        """The status of every order, oldest first."""
        with self._database.sessions() as session:
            return list(session.scalars(select(Order.status).order_by(Order.id)))

    def order(self, order_id: UUID | str) -> Order:
        with self._database.sessions() as session:
            return session.get_one(Order, UUID(str(order_id)))

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and data of every event that waits in the outbox, in its order."""
        with self._database.sessions() as session:
            bodies = session.scalars(select(outbox_messages.c.body).order_by(outbox_messages.c.seq))
            envelopes = [orjson.loads(body) for body in bodies]
        return [(envelope["type"], envelope["data"]) for envelope in envelopes]

    def event_types(self) -> list[str]:
        return [kind for kind, _ in self.events()]

    def lapse(self) -> None:
        """Let every hold on a pending order run out."""
        with self._database.sessions.begin() as session:
            past = text("UTC_TIMESTAMP(6) - INTERVAL 1 SECOND")
            session.execute(
                update(Order).where(Order.status == "pending").values(held_until=past),
                execution_options={"synchronize_session": False},
            )


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)
