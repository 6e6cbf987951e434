# SPDX-License-Identifier: Apache-2.0
"""Catalog on a real database, with products to sell."""

from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient

from catalog.app import create_app
from catalog.commands.products import NewProduct, create_product
from catalog.config import Config
from catalog.models import Product
from common.db import Database
from common.testing.tokens import TokenFactory

SELLER = {"seller_id": 7, "seller_name": "grace"}


@pytest.fixture
def database(
    database_of: Callable[[str], Database], clean: Callable[[Database], None]
) -> Iterator[Database]:
    found = database_of("catalog")
    clean(found)
    return found


@pytest.fixture
def client(
    database: Database, service_settings: Callable[..., Config], token_factory: TokenFactory
) -> Iterator[FlaskClient]:
    config = service_settings(Config, database=database)
    app = create_app(config, database=database, guard=token_factory.guard("catalog"))
    with app.test_client() as client:
        yield client


@pytest.fixture
def sell(database: Database) -> Callable[..., Product]:
    """Puts a product up for sale: ``sell("Lamp", price=1250, quantity=3)``."""

    def put_up(name: str, *, price: int = 1000, quantity: int = 0, **fields: object) -> Product:
        new = NewProduct(name=name, price=price, quantity=quantity, **fields)
        return database.run(create_product, new=new, currency="USD", **SELLER)

    return put_up
