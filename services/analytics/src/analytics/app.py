# SPDX-License-Identifier: Apache-2.0
"""Analytics' front door: wiring only."""

from apiflask import APIFlask

from analytics.config import Config
from analytics.routes import v1
from common.access import Guard
from common.app import create_service
from common.db import Database


def create_app(
    config: Config | None = None, *, database: Database | None = None, guard: Guard | None = None
) -> APIFlask:
    config = config or Config.load()
    app = create_service("analytics", config, [v1.blueprint], database=database, guard=guard)
    app.extensions["config"] = config
    return app
