# SPDX-License-Identifier: Apache-2.0
"""Orders' front door: wiring only."""

from datetime import timedelta

from apiflask import APIFlask

from common.access import Guard
from common.app import create_service
from common.db import Database
from common.dead_letters import dead_letter_routes
from common.inbox import KEEP_DAYS
from common.replay import replay_routes
from orders.auth import Auth
from orders.catalog import Catalog
from orders.checkout import Checkout
from orders.config import Config
from orders.routes import audit, s0_simple_project, s3_online_store, v1


def create_app(
    config: Config | None = None, *, database: Database | None = None, guard: Guard | None = None
) -> APIFlask:
    config = config or Config.load()
    # The same question a second time is answered a second time: only the inbox knows better.
    kept = timedelta(days=KEEP_DAYS - 1)
    blueprints = [
        v1.blueprint,
        s0_simple_project.blueprint,
        s3_online_store.blueprint,
        audit.blueprint,
        dead_letter_routes("orders", config),
        replay_routes("orders", config, kept=kept),
    ]
    app = create_service(
        "orders",
        config,
        blueprints,
        database=database,
        guard=guard,
        strangers_write=config.open_store,
    )
    catalog = Catalog.connect(config)
    app.extensions["config"] = config
    app.extensions["auth"] = Auth.connect(config)
    app.extensions["catalog"] = catalog
    app.extensions["checkout"] = Checkout.connect(config, app.extensions["database"], catalog)
    return app
