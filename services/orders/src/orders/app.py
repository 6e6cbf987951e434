# SPDX-License-Identifier: Apache-2.0
"""Orders' front door: wiring only."""

from apiflask import APIFlask

from common.access import Guard
from common.app import create_service
from common.db import Database
from orders.catalog import Catalog
from orders.checkout import Checkout
from orders.config import Config
from orders.routes import v1


def create_app(
    config: Config | None = None, *, database: Database | None = None, guard: Guard | None = None
) -> APIFlask:
    config = config or Config.load()
    app = create_service("orders", config, [v1.blueprint], database=database, guard=guard)
    catalog = Catalog.connect(config)
    app.extensions["config"] = config
    app.extensions["catalog"] = catalog
    app.extensions["checkout"] = Checkout.connect(config, app.extensions["database"], catalog)
    return app
