# SPDX-License-Identifier: Apache-2.0
"""Analytics on a real database, and events as other services would tell them."""

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from analytics.app import create_app
from analytics.audit import Auditor
from analytics.config import Config
from analytics.handlers import BATCH_HANDLERS
from analytics.models import PLACED, ProductMinute, Sale, View
from common.contracts import (
    Change,
    OneView,
    OrderCancelled,
    OrderLine,
    OrderPlaced,
    ProductChanged,
    ProductCreated,
    ProductDeleted,
    ProductsViewed,
    ProductViewed,
    StockChanged,
)
from common.db import Database
from common.events import Envelope, Event
from common.testing.tokens import TokenFactory

# The tests of several services run in one process and are no packages; what they share among
# themselves is found beside them.
sys.path.insert(0, str(Path(__file__).parent))

from audit_stubs import Catalog, Orders

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ADA, GRACE = 1, 7
LAMP, CHAIR = 42, 43


@pytest.fixture
def database(database_of: Callable[[str], Database], clean: Callable[[Database], None]) -> Database:
    found = database_of("analytics")
    clean(found)
    return found


@pytest.fixture
def client(
    database: Database, service_settings: Callable[..., Config], token_factory: TokenFactory
) -> Iterator[FlaskClient]:
    config = service_settings(Config, database=database)
    app = create_app(config, database=database, guard=token_factory.guard("analytics"))
    with app.test_client() as client:
        yield client


Told = tuple[Event, Envelope]


class Teller:
    """Makes events as they come from the broker."""

    def told(
        self,
        event: Event,
        *,
        at: datetime = NOON,
        version: int = 1,
        event_id: UUID | None = None,
    ) -> Told:
        envelope = Envelope.seal(event, aggregate_version=version, event_id=event_id)
        return event, envelope.model_copy(update={"time": at})

    def view(
        self,
        product_id: int = LAMP,
        *,
        viewer: int | None = None,
        session: str = "5e55",
        at: datetime = NOON,
    ) -> Told:
        event = ProductViewed(
            product_id=product_id,
            viewer_id=viewer,
            session=session,
            status=200,
            path=f"/v1/products/{product_id}",
        )
        return self.told(event, at=at)

    def together(self, *views: Told) -> Told:
        """These views as one message."""
        event = ProductsViewed(
            views=[
                OneView(
                    id=envelope.id,
                    time=envelope.time,
                    request_id=envelope.correlationid,
                    **view.model_dump(),
                )
                for view, envelope in views
            ]
        )
        return self.told(event, at=views[0][1].time)

    def placed(self, order_id: str, *lines: tuple[int, int, int], at: datetime = NOON) -> Told:
        """An order of *lines* of product id, quantity and unit price."""
        return self.told(OrderPlaced(**self._order(order_id, lines)), at=at)

    def cancelled(
        self,
        order_id: str,
        *lines: tuple[int, int, int],
        at: datetime = NOON + timedelta(minutes=5),
    ) -> Told:
        return self.told(OrderCancelled(**self._order(order_id, lines)), at=at)

    def _order(self, order_id: str, lines: tuple[tuple[int, int, int], ...]) -> dict[str, object]:
        items = [
            OrderLine(product_id=product_id, quantity=quantity, unit_price=price)
            for product_id, quantity, price in lines
        ]
        return {
            "order_id": order_id,
            "customer_id": ADA,
            "items": items,
            "total": sum(quantity * price for _, quantity, price in lines),
            "currency": "USD",
        }

    def created(
        self,
        product_id: int = LAMP,
        *,
        sku: str | None = "LAMP-1",
        public_id: str = "l4mpl4mpl4mp",
        seller: int = GRACE,
        version: int = 1,
    ) -> Told:
        fields = {"public_id": public_id, "sku": sku, "name": "Lamp", "seller_id": seller}
        event = ProductCreated(
            product_id=product_id,
            sku=sku,
            name="Lamp",
            seller_id=seller,
            changes={name: Change(old=None, new=value) for name, value in fields.items()},
        )
        return self.told(event, version=version)

    def changed(
        self,
        product_id: int = LAMP,
        *,
        sku: str | None = "LAMP-1",
        name: str = "Lamp",
        seller: int = GRACE,
        version: int,
    ) -> Told:
        event = ProductChanged(
            product_id=product_id, sku=sku, name=name, seller_id=seller, changes={}
        )
        return self.told(event, version=version)

    def deleted(
        self,
        product_id: int = LAMP,
        *,
        sku: str | None = "LAMP-1",
        public_id: str = "l4mpl4mpl4mp",
        version: int,
    ) -> Told:
        event = ProductDeleted(
            product_id=product_id,
            sku=sku,
            name="Lamp",
            seller_id=GRACE,
            changes={"public_id": Change(old=public_id, new=None)},
        )
        return self.told(event, version=version)


@pytest.fixture
def teller() -> Teller:
    return Teller()


@pytest.fixture
def hear(database: Database) -> Callable[..., None]:
    """Handles events, one after another, in one transaction and without the inbox."""

    def handle(session: Session, events: Sequence[Told]) -> None:
        for event, envelope in events:
            BATCH_HANDLERS[type(event)](session, [(event, envelope)])

    return lambda *events: database.run(handle, events)


@pytest.fixture
def hear_together(database: Database) -> Callable[..., None]:
    """Handles events of one kind as one batch, without the inbox."""

    def handle(session: Session, events: Sequence[Told]) -> None:
        # The subscriber gives each event once.
        received = {envelope.id: (event, envelope) for event, envelope in events}
        BATCH_HANDLERS[type(events[0][0])](session, list(received.values()))

    return lambda *events: database.run(handle, events)


Recount = dict[tuple[datetime, int], tuple[int, int, int, int]]


@pytest.fixture
def counted(database: Database) -> Callable[[], Recount]:
    """What the counters say: views, orders, units and revenue by minute and product."""

    def read(session: Session) -> Recount:
        return {
            (row.minute, row.product_id): (row.views, row.orders, row.units, int(row.revenue))
            for row in session.scalars(select(ProductMinute))
            if row.views or row.orders or row.units or row.revenue
        }

    return lambda: database.read(read)


@pytest.fixture
def recounted(database: Database) -> Callable[[], Recount]:
    """What a recount of the raw rows says, made by SQL of its own."""

    def minute(column):
        return func.date_format(column, "%Y-%m-%d %H:%i:00").label("minute")

    def read(session: Session) -> Recount:
        views = {
            (row.minute, row.product_id): row.count
            for row in session.execute(
                select(minute(View.at), View.product_id, func.count().label("count")).group_by(
                    "minute", View.product_id
                )
            )
        }
        sales = {
            (row.minute, row.product_id): (row.orders, int(row.units), int(row.revenue))
            for row in session.execute(
                select(
                    minute(Sale.at),
                    Sale.product_id,
                    func.count(Sale.order_id.distinct()).label("orders"),
                    func.sum(Sale.quantity).label("units"),
                    func.sum(Sale.quantity * Sale.unit_price).label("revenue"),
                )
                .where(Sale.status == PLACED)
                .group_by("minute", Sale.product_id)
            )
        }
        return {
            (datetime.fromisoformat(f"{key[0]}+00:00"), key[1]): (
                views.get(key, 0),
                *sales.get(key, (0, 0, 0)),
            )
            for key in views.keys() | sales.keys()
        }

    return lambda: database.read(read)


@pytest.fixture
def catalog() -> Catalog:
    return Catalog()


@pytest.fixture
def orders() -> Orders:
    return Orders()


@pytest.fixture
def auditor(database: Database, catalog: Catalog, orders: Orders) -> Auditor:
    return Auditor(database, catalog, orders, pause=lambda: None)


@pytest.fixture
def shop(
    catalog: Catalog, orders: Orders, hear: Callable[..., None], teller: Teller
) -> dict[str, str]:
    """Two orders on which everybody agrees: one that stands and one that was cancelled."""
    placed, cancelled = str(uuid4()), str(uuid4())
    for order_id, status in [(placed, "confirmed"), (cancelled, "cancelled")]:
        items = [[LAMP, 2, 500]]
        wanted = [[LAMP, 2]]
        orders.items.append(
            {"order_id": order_id, "status": status, "wanted": wanted, "items": items}
        )
        held = {"confirmed": "sold", "cancelled": "cancelled"}[status]
        catalog.items.append({"order_id": order_id, "status": held, "lines": wanted})
        hear(teller.placed(order_id, (LAMP, 2, 500)))
    hear(teller.cancelled(cancelled, (LAMP, 2, 500)))
    event_id = uuid4()
    restocked = StockChanged(product_id=LAMP, delta=9, reason="x", on_hand=9, available=9)
    hear(teller.told(restocked, event_id=event_id))
    catalog.ledger.append({"id": 1, "product_id": LAMP, "event_id": str(event_id)})
    return {"confirmed": placed, "cancelled": cancelled}
